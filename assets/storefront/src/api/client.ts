// The one place that talks to the edge: same origin, relative addresses, JSON, a deadline on everything.

import { signal } from '@preact/signals';
import { isOutcomeUnknown } from '../idempotency';
import { fileName } from './file-name';
import { ApiError, networkError, problemOf, retryAfterSeconds } from './problem';

/** Longest wait for an answer. The edge gives up on its origin sooner; this is for lost connections. */
const DEADLINE_MS = 15_000;
/** Times an answerless or refused request is sent again by itself; people press "try again" after that. */
const RETRIES_MAX = 1;
/** Longest wait before the automatic second try. */
const RETRY_WAIT_MS_MAX = 2_000;

export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** A value to send as JSON, or a string that is JSON already (kept byte for byte for idempotency). */
  body?: unknown;
  bearer?: string | null;
  idempotencyKey?: string;
  signal?: AbortSignal;
}

/** Where the last answer came from, as the edge says in its `Vitrine-*` headers. */
export interface ServedBy {
  edge: string;
  position: string;
  cache: string;
  staleSeconds: number;
}

/** The last answer's origin; `null` before the first. */
export const servedBy = signal<ServedBy | null>(null);

function noteServedBy(headers: Headers): void {
  const edge = headers.get('vitrine-edge');
  if (!edge) return;
  servedBy.value = {
    edge,
    position: headers.get('vitrine-position') ?? '',
    cache: headers.get('vitrine-cache') ?? '',
    staleSeconds: Number(headers.get('vitrine-stale') ?? 0) || 0,
  };
}

function requestOf(call: Call): RequestInit {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (call.body !== undefined) headers['content-type'] = 'application/json';
  if (call.bearer) headers.authorization = `Bearer ${call.bearer}`;
  if (call.idempotencyKey) headers['idempotency-key'] = call.idempotencyKey;
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  const init: RequestInit = {
    method: call.method ?? 'GET',
    headers,
    credentials: 'same-origin',
    signal: call.signal ? anySignal(call.signal, deadline) : deadline,
  };
  if (call.body !== undefined) init.body = typeof call.body === 'string' ? call.body : JSON.stringify(call.body);
  return init;
}

/** `AbortSignal.any` for browsers that lack it (Safari before 17.4). */
function anySignal(first: AbortSignal, second: AbortSignal): AbortSignal {
  if (typeof AbortSignal.any === 'function') return AbortSignal.any([first, second]);
  const controller = new AbortController();
  for (const one of [first, second]) {
    if (one.aborted) controller.abort(one.reason);
    one.addEventListener('abort', () => controller.abort(one.reason), { once: true });
  }
  return controller.signal;
}

async function once<T>(path: string, call: Call): Promise<T> {
  let answer: Response;
  let body: unknown = null;
  try {
    answer = await fetch(path, requestOf(call));
    const text = await answer.text();
    body = text === '' ? null : parse(text);
  } catch (error) {
    if (call.signal?.aborted) throw error;
    throw networkError();
  }
  noteServedBy(answer.headers);
  if (!answer.ok) {
    throw problemOf(answer.status, body, retryAfterSeconds(answer.headers.get('retry-after'), Date.now()));
  }
  return body as T;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Tells that sending the same request again cannot do a thing twice. */
function isRepeatable(call: Call): boolean {
  return (call.method ?? 'GET') === 'GET' || call.idempotencyKey !== undefined;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Sends a request; throws [`ApiError`], or the abort of the caller's own signal. */
export async function send<T>(path: string, call: Call = {}): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await once<T>(path, call);
    } catch (error) {
      const again = error instanceof ApiError && tries < RETRIES_MAX && isRepeatable(call) && isOutcomeUnknown(error) && error.status !== 429;
      const waitMs = error instanceof ApiError ? (error.retryAfterSeconds ?? 0.4) * 1000 : 0;
      if (!again || waitMs > RETRY_WAIT_MS_MAX) throw error;
      await pause(waitMs);
    }
  }
}

/** A file, and what it is called where the answer says so. */
export interface ReceivedFile {
  blob: Blob;
  name: string | null;
}

/** Reads a file; throws [`ApiError`]. */
export async function sendForFile(path: string, bearer: string | null): Promise<ReceivedFile> {
  let answer: Response;
  try {
    answer = await fetch(path, requestOf({ bearer }));
  } catch {
    throw networkError();
  }
  if (!answer.ok) {
    const wait = retryAfterSeconds(answer.headers.get('retry-after'), Date.now());
    throw problemOf(answer.status, parse(await answer.text()), wait);
  }
  return { blob: await answer.blob(), name: fileName(answer.headers.get('content-disposition')) };
}

/** Appends the parameters that have a value. */
export function withParams(path: string, params: Record<string, string | number | null | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  return text === '' ? path : `${path}?${text}`;
}
