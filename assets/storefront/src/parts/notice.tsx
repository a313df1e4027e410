// What went wrong, in words, with a way on.

import { ApiError, explain, networkError, type Doing } from '../api/problem';

export interface ProblemProps {
  error: unknown;
  doing: Doing;
  onRetry?: (() => void) | undefined;
}

/** Shows a failure; screen readers hear it at once. */
export function Problem({ error, doing, onRetry }: ProblemProps) {
  const notice = explain(error instanceof ApiError ? error : networkError(), doing);
  return (
    <div class="notice" role="alert" data-testid="problem">
      <div>
        <strong>{notice.title}</strong>
        {notice.text && <p>{notice.text}</p>}
      </div>
      {notice.canRetry && onRetry && (
        <button type="button" class="button button-quiet" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
