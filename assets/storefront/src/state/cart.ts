// The cart. Its id is an unguessable capability and is kept in this browser, with the last answer for when buying is paused.

import { computed, signal } from '@preact/signals';
import { send, type Call } from '../api/client';
import { ApiError } from '../api/problem';
import type { Cart } from '../api/types';
import { attemptFor, isOutcomeUnknown, newKey, type Attempt } from '../idempotency';
import { currency } from './currency';
import { sendAsAccount } from './session';
import { load, save } from './storage';

/** The cart as last seen; `null` before the first piece. */
export const cart = signal<Cart | null>(load<Cart>('cart'));

/** Pieces in the cart. */
export const cartCount = computed(() => cart.value?.lines.reduce((sum, line) => sum + line.quantity, 0) ?? 0);

function keep(next: Cart | null): void {
  cart.value = next;
  save('cart', next);
}

/** Forgets the cart: it was bought, or the origin no longer knows it. */
export function forgetCart(): void {
  keep(null);
}

function cartPath(id: string): string {
  return `/v1/carts/${encodeURIComponent(id)}`;
}

/** Keeps the cart that an answer carries, or reads it when the answer carries none. */
async function settle(id: string, answer: Partial<Cart> | null): Promise<void> {
  if (answer && Array.isArray(answer.lines) && answer.totals && answer.id) keep(answer as Cart);
  else await refreshCart(id);
}

/** Reads the cart again. A cart that is gone is forgotten. */
export async function refreshCart(id = cart.value?.id): Promise<void> {
  if (!id) return;
  try {
    keep(await send<Cart>(cartPath(id)));
  } catch (error) {
    if (!isGone(error)) throw error;
    keep(null);
  }
}

function isGone(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 404 || error.status === 410);
}

async function create(inCurrency: string): Promise<Cart> {
  const empty = await send<Cart>('/v1/carts', { method: 'POST', body: { currency: inCurrency }, idempotencyKey: newKey() });
  return { ...empty, currency: empty.currency ?? inCurrency };
}

async function postLine(id: string, body: string, key: string): Promise<Partial<Cart> | null> {
  return send(`${cartPath(id)}/lines`, { method: 'POST', body, idempotencyKey: key });
}

let addAttempt: Attempt | null = null;

/** Adds pieces; makes a cart first when there is none. Pressing again after a lost answer does not add twice. */
export async function addToCart(sku: string, quantity: number): Promise<void> {
  if (cart.value && cart.value.currency !== currency.value) await changeCartCurrency();
  const current = cart.value ?? (await create(currency.value));
  if (!cart.value) keep(current);
  const body = JSON.stringify({ sku, quantity });
  const attempt = attemptFor(addAttempt, body);
  addAttempt = attempt;
  try {
    const answer = await postLine(current.id, body, attempt.key);
    addAttempt = null;
    await settle(current.id, answer);
  } catch (error) {
    if (!isOutcomeUnknown(error)) addAttempt = null;
    if (!isGone(error) || !(await cartIsGone(current.id))) throw error;
    const fresh = await create(currency.value);
    await settle(fresh.id, await postLine(fresh.id, body, newKey()));
  }
}

/** A 404 on adding may mean the piece or the cart; this asks which. */
async function cartIsGone(id: string): Promise<boolean> {
  await refreshCart(id);
  return cart.value === null;
}

/** Sets the quantity of a line; 0 removes it. */
export async function setQuantity(lineId: string, quantity: number): Promise<void> {
  const id = cart.value?.id;
  if (!id) return;
  const path = `${cartPath(id)}/lines/${encodeURIComponent(lineId)}`;
  try {
    const answer = await send<Partial<Cart> | null>(path, quantity === 0 ? { method: 'DELETE' } : { method: 'PATCH', body: { quantity } });
    await settle(id, answer);
  } catch (error) {
    if (!isGone(error)) throw error;
    await refreshCart(id);
  }
}

async function say(path: string, call: Call): Promise<void> {
  const id = cart.value?.id;
  if (!id) return;
  await settle(id, await send<Partial<Cart> | null>(`${cartPath(id)}/${path}`, call));
}

/** Enters what a shopper typed: a promotion's code, or else a gift card's. */
export async function enterCode(text: string): Promise<void> {
  try {
    await say(`codes/${encodeURIComponent(text)}`, { method: 'PUT' });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 422) throw error;
    await say('gift-cards', { method: 'PUT', body: { code: text } });
  }
}

/** Takes a code out. */
export function removeCode(code: string): Promise<void> {
  return say(`codes/${encodeURIComponent(code)}`, { method: 'DELETE' });
}

/** Takes a gift card out. */
export function removeGiftCard(id: string): Promise<void> {
  return say(`gift-cards/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

/** Chooses how it is delivered. */
export function chooseMethod(method: string): Promise<void> {
  return say('shipping-method', { method: 'PUT', body: { method } });
}

/** Says where it goes: taxes and delivery depend on it. */
export function setDestination(to: { country: string; region: string; postal_code: string }): Promise<void> {
  return say('destination', { method: 'PUT', body: to });
}

/** Makes the cart the account's that has just signed in, together with the one that it has. */
export async function mergeCart(): Promise<void> {
  const id = cart.value?.id;
  if (!id) return;
  try {
    const merged = await sendAsAccount<{ cart: Cart }>(`${cartPath(id)}/merge`, { method: 'POST', body: {}, idempotencyKey: newKey() });
    keep(merged.cart);
  } catch (error) {
    // Signing in went well all the same; the cart stays a guest's.
    if (isGone(error)) keep(null);
  }
}

/** Moves all lines into a new cart in the chosen currency: a cart has one currency for life. */
export async function changeCartCurrency(): Promise<void> {
  const old = cart.value;
  if (!old || old.currency === currency.value) return;
  if (old.lines.length === 0) return keep(null);
  await fillNewCart(old.lines);
}

/** Makes a new cart of the given pieces, and keeps it once it is complete. */
export async function fillNewCart(lines: readonly { sku: string; quantity: number }[]): Promise<void> {
  const fresh = await create(currency.value);
  for (const { sku, quantity } of lines) await postLine(fresh.id, JSON.stringify({ sku, quantity }), newKey());
  await refreshCart(fresh.id);
}

globalThis.addEventListener?.('storage', (event) => {
  if (event.key === 'vitrine.cart') cart.value = load<Cart>('cart');
});
