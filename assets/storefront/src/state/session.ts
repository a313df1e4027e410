// Who is signed in: tokens, their refresh, and calls in the account's name.

import { computed, signal } from '@preact/signals';
import { send, type Call } from '../api/client';
import { ApiError } from '../api/problem';
import type { Account, Tokens } from '../api/types';
import { newKey } from '../idempotency';
import { load, save } from './storage';

interface Session {
  access_token: string;
  refresh_token: string;
  expires_at_ms: number;
  email: string;
}

/** A token this near its end is renewed first, so that it does not end on the way. */
const RENEW_BEFORE_MS = 30_000;

const session = signal<Session | null>(load<Session>('session'));

/** Address of the account, '' for a guest. */
export const signedInAs = computed(() => session.value?.email ?? '');

function keep(next: Session | null): void {
  session.value = next;
  save('session', next);
}

function sessionOf(tokens: Tokens, email: string): Session {
  return {
    access_token: tokens.access_token,
    refresh_token: tokens.refresh_token,
    expires_at_ms: Date.now() + tokens.expires_in * 1000,
    email,
  };
}

/** Signs in. */
export async function login(email: string, password: string): Promise<void> {
  const tokens = await send<Tokens>('/v1/auth/login', { method: 'POST', body: { email, password }, idempotencyKey: newKey() });
  keep(sessionOf(tokens, email));
}

/** Makes an account and signs in. `key` is reused while the outcome is unknown. */
export async function register(email: string, password: string, key: string): Promise<void> {
  const tokens = await send<Tokens>('/v1/auth/register', { method: 'POST', body: { email, password }, idempotencyKey: key });
  keep(sessionOf(tokens, email));
}

/** Signs out here at once, and at the origin when it can be reached. */
export async function logout(): Promise<void> {
  const old = session.value;
  keep(null);
  if (!old) return;
  const call: Call = { method: 'POST', body: { refresh_token: old.refresh_token }, bearer: old.access_token };
  await send('/v1/auth/logout', call).catch(() => undefined);
}

let renewal: Promise<void> | null = null;

/** Renews once for all callers and tabs: the origin takes a refresh token twice for theft. */
function renew(): Promise<void> {
  renewal ??= withLock(renewNow).finally(() => (renewal = null));
  return renewal;
}

async function withLock(work: () => Promise<void>): Promise<void> {
  if ('locks' in navigator) await navigator.locks.request('vitrine-refresh', work);
  else await work();
}

async function renewNow(): Promise<void> {
  const kept = load<Session>('session');
  if (!kept) return keep(null);
  if (kept.access_token !== session.value?.access_token) {
    session.value = kept;
    return;
  }
  try {
    const tokens = await send<Tokens>('/v1/auth/refresh', { method: 'POST', body: { refresh_token: kept.refresh_token } });
    keep(sessionOf(tokens, kept.email));
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 400)) keep(null);
    throw error;
  }
}

/** Returns a token that is good for a while; `null` for a guest. */
export async function accessToken(): Promise<string | null> {
  if (session.value && session.value.expires_at_ms - Date.now() < RENEW_BEFORE_MS) await renew();
  return session.value?.access_token ?? null;
}

/** Sends as the account; renews the token once when it is refused. A guest sends without one. */
export async function sendAsAccount<T>(path: string, call: Call = {}): Promise<T> {
  const bearer = await accessToken();
  try {
    return await send<T>(path, { ...call, bearer });
  } catch (error) {
    if (!bearer || !(error instanceof ApiError) || error.status !== 401) throw error;
    await renew();
    return send<T>(path, { ...call, bearer: session.value?.access_token ?? null });
  }
}

/** Reads the account. */
export function fetchMe(): Promise<Account> {
  return sendAsAccount<Account>('/v1/me');
}

globalThis.addEventListener?.('storage', (event) => {
  if (event.key === 'vitrine.session') session.value = load<Session>('session');
});
