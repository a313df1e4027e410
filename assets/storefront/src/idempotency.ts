// Idempotency keys: one per attempt, kept while the outcome is unknown. Pure.

import { ApiError, isInFlight } from './api/problem';

/** An attempt whose outcome is not known yet: the same body must go out with the same key. */
export interface Attempt {
  key: string;
  body: string;
}

/** An attempt to buy a cart, kept over a reload. */
export interface CheckoutAttempt extends Attempt {
  cart: string;
  at_ms: number;
}

/** How long after it was begun an attempt goes on by itself: 10 minutes. Later somebody else may sit here. */
const GOES_ON_MS = 600_000;

/** Tells whether an attempt that was interrupted may go on without being asked: its shopper pressed the button just now. */
export function goesOn(attempt: CheckoutAttempt, nowMs: number): boolean {
  const ageMs = nowMs - attempt.at_ms;
  return ageMs >= 0 && ageMs < GOES_ON_MS;
}

/** Returns a random UUID (version 4); works on plain http, where `crypto.randomUUID` is missing. */
export function newKey(source: Crypto = crypto): string {
  if (typeof source.randomUUID === 'function') return source.randomUUID();
  const bytes = source.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Goes on with `open` when the body is the same; the server refuses one key with two bodies. */
export function attemptFor(open: Attempt | null, body: string, makeKey: () => string = newKey): Attempt {
  return open !== null && open.body === body ? open : { key: makeKey(), body };
}

/** Tells whether the server may have acted although this came back: the key must be used again. */
export function isOutcomeUnknown(error: unknown): boolean {
  if (!(error instanceof ApiError)) return true;
  return error.status === 0 || error.status >= 500 || error.status === 429 || error.status === 408 || isInFlight(error);
}
