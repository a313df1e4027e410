import { dismiss, spoken, toast } from '../state/announce';
import { CloseIcon } from './icons';

/** Live regions: they exist from the start, or screen readers would miss the first message. */
export function Messages() {
  const message = toast.value;
  return (
    <>
      <div class="visually-hidden" role="status" aria-live="polite">{spoken.value}</div>
      <div class="toast-place" role="status" aria-live="polite" data-testid="toast">
        {message && (
          <div class="toast">
            <span>{message.text}</span>
            {message.link && <a href={message.link.href} onClick={dismiss}>{message.link.label}</a>}
            <button type="button" class="icon-button" aria-label="Dismiss" onClick={dismiss}><CloseIcon /></button>
          </div>
        )}
      </div>
    </>
  );
}
