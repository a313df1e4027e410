// Failures of the API, and what a shopper is told about them. Pure.

/** One entry of a problem's `errors`, in our form: `field` is the last word of its pointer, or '' for the whole form. */
export interface FieldError {
  field: string;
  message: string;
}

/** An answer that is not a success (RFC 9457), or no answer at all (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  /** Last segment of the problem's `type`: `out-of-stock`, `edge-signature`, …; '' when there is none. */
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly errors: FieldError[];
  /** Seconds the server asks to wait; `null` when it does not say. */
  readonly retryAfterSeconds: number | null;

  constructor(fields: {
    status: number;
    code?: string;
    title?: string;
    detail?: string;
    errors?: FieldError[];
    retryAfterSeconds?: number | null;
  }) {
    super(fields.title || `HTTP ${fields.status}`);
    this.status = fields.status;
    this.code = fields.code ?? '';
    this.title = fields.title ?? '';
    this.detail = fields.detail ?? '';
    this.errors = fields.errors ?? [];
    this.retryAfterSeconds = fields.retryAfterSeconds ?? null;
  }
}

/** The error of a request that got no answer: offline, refused, cut. */
export function networkError(): ApiError {
  return new ApiError({ status: 0, title: 'No answer' });
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** Reads `/shipping_address/city`, `#/email`, `shipping_address.city` as their last word. */
export function fieldOf(pointer: string): string {
  return pointer.split(/[/.#[\]]+/).filter((part) => part !== '').at(-1) ?? '';
}

function fieldError(value: unknown): FieldError | null {
  if (typeof value === 'string') return { field: '', message: value };
  const entry = record(value);
  const pointer = text(entry.pointer) || text(entry.field) || text(entry.path) || text(entry.name);
  const message = text(entry.detail) || text(entry.message) || text(entry.reason) || text(entry.code);
  return message === '' ? null : { field: fieldOf(pointer), message };
}

/** Reads `Retry-After` in seconds or as a date; `nowMs` is the reader's clock. */
export function retryAfterSeconds(header: string | null, nowMs: number): number | null {
  if (!header) return null;
  if (/^\d+$/.test(header.trim())) return Number(header);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - nowMs) / 1000));
}

/** Makes an error of an answer's status, parsed body (anything) and wait. */
export function problemOf(status: number, body: unknown, retryAfter: number | null): ApiError {
  const problem = record(body);
  const list = Array.isArray(problem.errors) ? problem.errors : [];
  return new ApiError({
    status,
    code: fieldOf(text(problem.type).replace(/^about:blank$/, '').replaceAll(':', '/')),
    title: text(problem.title),
    detail: text(problem.detail),
    errors: list.map(fieldError).filter((error) => error !== null),
    retryAfterSeconds: retryAfter,
  });
}

/** What is happening when a request fails; it decides what people are told. */
export type Doing = 'browse' | 'cart' | 'pay' | 'login';

/** A failure in words: what happened, what to do, and whether trying the same again makes sense. */
export interface Notice {
  title: string;
  text: string;
  canRetry: boolean;
}

function wait(seconds: number | null): string {
  if (seconds === null || seconds <= 1) return 'in a moment';
  if (seconds < 90) return `in ${seconds} seconds`;
  return `in ${Math.ceil(seconds / 60)} minutes`;
}

/** Tells a "same key is in flight" conflict from a real one. */
export function isInFlight(error: ApiError): boolean {
  return error.status === 409 && /idempoten|in[-_]?flight|in[-_]?progress/.test(error.code);
}

/** Tells that a piece is no longer to be had. */
export function isSoldOut(error: ApiError): boolean {
  return /stock|sold|inventory|unavailable-item/.test(error.code) && (error.status === 409 || error.status === 422);
}

const OTHER_THAN_SHOWN: Record<string, string> = {
  'price-changed': 'Prices have changed',
  'due-changed': 'The total has changed',
  'promise-changed': 'When it ships has changed',
  'code-refused': 'A code does not apply any more',
  'gift-card-refused': 'A gift card does not pay any more',
  'shipping-unavailable': 'This delivery is not on offer',
  'shipping-not-chosen': 'Choose a delivery first',
};

/** Tells that the order would not be what the shopper was shown: the cart says what it is now. */
export function isOtherThanShown(error: ApiError): boolean {
  return error.code in OTHER_THAN_SHOWN;
}

function isDeclined(error: ApiError): boolean {
  return error.status === 402 || /declin/.test(error.code);
}

function serverTrouble(error: ApiError, doing: Doing): Notice {
  const when = wait(error.retryAfterSeconds);
  if (doing === 'browse') {
    return { title: 'This shelf did not open', text: `Please try again ${when}.`, canRetry: true };
  }
  const safe = doing === 'pay' ? ' Trying again is safe: you cannot be charged twice.' : '';
  const subject = doing === 'login' ? 'Accounts are' : 'Buying is';
  return {
    title: `${subject} paused for a moment`,
    text: `You can go on browsing; ${doing === 'login' ? 'signing in' : 'buying'} is back ${when}.${safe}`,
    canRetry: true,
  };
}

/** What was wrong where only one thing was; of several, each stands at its own field. */
function onlyFault(error: ApiError): string {
  const [only, ...others] = error.errors;
  if (!only || others.length > 0) return '';
  return `${only.message.charAt(0).toUpperCase()}${only.message.slice(1)}.`;
}

/** Says `error` the way people would want to hear it. */
export function explain(error: ApiError, doing: Doing): Notice {
  const detail = error.detail || error.title;
  if (error.status === 0) {
    const safe = doing === 'pay' ? ' Trying again is safe: you cannot be charged twice.' : '';
    return { title: 'No connection', text: `The shop could not be reached. Check your connection and try again.${safe}`, canRetry: true };
  }
  if (error.status === 429) {
    return { title: 'A little too fast', text: `Please try again ${wait(error.retryAfterSeconds)}.`, canRetry: true };
  }
  if (isDeclined(error)) {
    return { title: 'The bank declined the payment', text: 'Nothing was charged. Choose another way to pay and try again.', canRetry: false };
  }
  if (isSoldOut(error)) {
    const title = doing === 'pay' ? 'Sold out while you were paying' : 'Not enough left';
    const charged = doing === 'pay' ? 'Nothing was charged. ' : '';
    return { title, text: `${charged}${detail || 'Someone was faster with the last piece.'}`, canRetry: false };
  }
  if (isOtherThanShown(error)) {
    return { title: OTHER_THAN_SHOWN[error.code] ?? error.title, text: 'Nothing was charged. Look at your order once more.', canRetry: false };
  }
  if (isInFlight(error)) {
    return { title: 'Still working on it', text: 'The same order is being placed already. Try again in a moment; it is placed once only.', canRetry: true };
  }
  if (error.status >= 500) return serverTrouble(error, doing);
  if (error.status === 401 && doing === 'login') {
    return { title: 'That did not match', text: detail || 'Check your email address and password.', canRetry: false };
  }
  if (error.status === 401 || error.status === 403) {
    return { title: 'Please sign in', text: detail || 'This page belongs to an account.', canRetry: false };
  }
  if (error.status === 404) return { title: 'Not found', text: detail || 'It is no longer here.', canRetry: false };
  if (error.status === 422 || error.status === 400) {
    return { title: 'Please check what you entered', text: error.detail || onlyFault(error) || error.title, canRetry: false };
  }
  return { title: error.title || 'That did not work', text: error.detail, canRetry: false };
}
