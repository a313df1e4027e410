import { useState } from 'preact/hooks';
import type { Cart, Reason } from '../api/types';
import { reasonText } from '../quote';
import { announce } from '../state/announce';
import { enterCode, removeCode, removeGiftCard } from '../state/cart';
import { Problem } from './notice';
import { useRun } from './use-run';

interface EntryProps {
  name: string;
  refused: Reason | undefined;
  isBusy: boolean;
  onRemove: () => void;
}

function Entry({ name, refused, isBusy, onRemove }: EntryProps) {
  return (
    <li data-testid="entered-code" data-refused={refused?.reason}>
      <span>{name}{refused && <span class="muted small">{reasonText(refused)}</span>}</span>
      <button type="button" class="link small" aria-label={`Take out ${name}`} aria-disabled={isBusy} onClick={onRemove}>Take out</button>
    </li>
  );
}

/** Codes and gift cards: what was entered, what it does, and a field for one more. */
export function Codes({ content }: { content: Cart }) {
  const [text, setText] = useState('');
  const { run, isBusy, failure } = useRun();
  const say = (work: () => Promise<void>, done: string): void => {
    void run(async () => {
      await work();
      announce(done);
    });
  };
  const enter = (): void => {
    const code = text.trim();
    if (code === '') return;
    say(async () => {
      await enterCode(code);
      setText('');
    }, 'The code is in your cart.');
  };
  const refusedCode = (code: string) => content.quote?.refused_codes.find((one) => one.code === code);
  const refusedCard = (id: string) => content.quote?.refused_gift_cards.find((one) => one.gift_card === id);
  return (
    <div class="codes">
      <ul>
        {content.codes?.map((code) => (
          <Entry key={code} name={code} refused={refusedCode(code)} isBusy={isBusy} onRemove={() => say(() => removeCode(code), `${code} is out.`)} />
        ))}
        {content.gift_cards?.map(({ id, last4 }) => (
          <Entry key={id} name={`Gift card … ${last4}`} refused={refusedCard(id)} isBusy={isBusy} onRemove={() => say(() => removeGiftCard(id), 'The gift card is out.')} />
        ))}
      </ul>
      <p class="field">
        <label for="code">Code or gift card</label>
        <span class="code-entry">
          <input
            id="code"
            value={text}
            maxLength={60}
            autocomplete="off"
            data-testid="code"
            onInput={(event) => setText(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Enter') return;
              event.preventDefault();
              enter();
            }}
          />
          <button type="button" class="button button-quiet" data-testid="enter-code" aria-disabled={isBusy} onClick={enter}>Apply</button>
        </span>
      </p>
      {failure !== null && <Problem error={failure} doing="cart" onRetry={enter} />}
    </div>
  );
}
