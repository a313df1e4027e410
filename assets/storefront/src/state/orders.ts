// Placing and reading orders. A guest's order is readable with the token that checkout returned; it stays in this browser.

import { send, sendForFile, type ReceivedFile } from '../api/client';
import type { CheckoutAnswer, CheckoutRequest, NextAction, Order } from '../api/types';
import { attemptFor, isOutcomeUnknown, newKey, type Attempt, type CheckoutAttempt } from '../idempotency';
import { accessToken, sendAsAccount } from './session';
import { load, save } from './storage';

/** An order placed from this browser. */
export interface PlacedOrder {
  id: string;
  token: string | null;
  placed_at: string;
}

/** Orders remembered here; older ones are forgotten first. */
const PLACED_MAX = 50;

/** Orders placed from this browser, newest first. */
export function placedOrders(): PlacedOrder[] {
  const kept = load<PlacedOrder[]>('orders');
  return Array.isArray(kept) ? kept : [];
}

function remember(answer: CheckoutAnswer): void {
  const entry = { id: answer.order_id, token: answer.order_token ?? null, placed_at: new Date().toISOString() };
  save('orders', [entry, ...placedOrders().filter(({ id }) => id !== entry.id)].slice(0, PLACED_MAX));
}

/** Where the attempt to buy is kept whose outcome is unknown. There is one at most: it ends before another begins. */
const OPEN_ATTEMPT = 'checkout';
/** The same, for a browser that keeps nothing. */
let unkept: CheckoutAttempt | null = null;

function keepAttempt(attempt: CheckoutAttempt | null): void {
  save(OPEN_ATTEMPT, attempt);
  unkept = attempt && load(OPEN_ATTEMPT) === null ? attempt : null;
}

/** The attempt to buy whose outcome is unknown, from before a reload too. */
export function openAttempt(): CheckoutAttempt | null {
  const kept = load<Partial<CheckoutAttempt>>(OPEN_ATTEMPT);
  const isWhole = typeof kept?.cart === 'string' && typeof kept.key === 'string' && typeof kept.body === 'string';
  return isWhole && typeof kept.at_ms === 'number' ? (kept as CheckoutAttempt) : unkept;
}

/** Places the order of a cart. The caller has ended what `openAttempt` returned. */
export function placeOrder(cart: string, request: CheckoutRequest): Promise<CheckoutAnswer> {
  return attempt({ cart, key: newKey(), body: JSON.stringify(request), at_ms: Date.now() });
}

/** Sends an attempt, once more with the same key and the same body where it was sent before: that buys once. */
export async function attempt(attempt: CheckoutAttempt): Promise<CheckoutAnswer> {
  const { cart, key, body } = attempt;
  keepAttempt(attempt);
  try {
    const answer = await send<CheckoutAnswer>(`/v1/carts/${encodeURIComponent(cart)}/checkout`, {
      method: 'POST',
      body,
      bearer: await accessToken().catch(() => null),
      idempotencyKey: key,
    });
    remember(answer);
    keepAttempt(null);
    fresh = answer.next_action ? { order: answer.order_id, action: answer.next_action } : null;
    return answer;
  } catch (error) {
    if (!isOutcomeUnknown(error)) keepAttempt(null);
    throw error;
  }
}

/** What the payer of an order that was placed a moment ago has to do. In memory alone: it has a secret in it. */
let fresh: { order: string; action: NextAction } | null = null;

/** Takes it: it goes on by itself once, and after that when somebody asks for it. */
export function takeFreshAction(order: string): NextAction | null {
  const action = fresh?.order === order ? fresh.action : null;
  fresh = null;
  return action;
}

function tokenOf(id: string): string | null {
  return placedOrders().find((order) => order.id === id)?.token ?? null;
}

/** Reads an order by its own token, or in the account's name. */
export function fetchOrder(id: string): Promise<Order> {
  const path = `/v1/orders/${encodeURIComponent(id)}`;
  const token = tokenOf(id);
  return token ? send<Order>(path, { bearer: token }) : sendAsAccount<Order>(path);
}

/** Holds the pieces of an order longer, because somebody is there. What has ended does not come back. */
export async function keepHold(id: string): Promise<void> {
  const path = `/v1/orders/${encodeURIComponent(id)}/hold`;
  const call = { method: 'POST', body: {} } as const;
  const token = tokenOf(id);
  await (token ? send(path, { ...call, bearer: token }) : sendAsAccount(path, call));
}

/** Asks the provider where a payment stands, and what its payer has to do. */
export function resumePayment(id: string): Promise<Order> {
  const path = `/v1/orders/${encodeURIComponent(id)}/payment/actions`;
  const call = { method: 'POST', body: { action: 'resume' }, idempotencyKey: newKey() } as const;
  const token = tokenOf(id);
  return token ? send<Order>(path, { ...call, bearer: token }) : sendAsAccount<Order>(path, call);
}

/** Answers the bank's question. */
export async function answerChallenge(id: string, action: 'approve' | 'reject'): Promise<void> {
  const path = `/v1/orders/${encodeURIComponent(id)}/payment/actions`;
  const call = { method: 'POST', body: { action }, idempotencyKey: newKey() } as const;
  const token = tokenOf(id);
  await (token ? send(path, { ...call, bearer: token }) : sendAsAccount(path, call));
}

/** What a shopper asks of an order after the checkout. */
export type OrderWish =
  | { step: 'cancel' }
  | { step: 'request_return'; lines: { line: string; pieces: number; reason: string }[] }
  | { step: 'cancel_return'; id: string };

/** Where a wish goes, and what goes with it. */
export function wishCall(orderId: string, wish: OrderWish): { path: string; body: string } {
  const order = `/v1/orders/${encodeURIComponent(orderId)}`;
  if (wish.step === 'cancel') return { path: `${order}/cancel`, body: '{}' };
  if (wish.step === 'cancel_return') return { path: `${order}/returns/${encodeURIComponent(wish.id)}/cancel`, body: '{}' };
  return { path: `${order}/returns`, body: JSON.stringify({ lines: wish.lines }) };
}

/** Asks for it. A wish whose outcome is unknown keeps its key, so that asking again does it once. */
export async function askOrder(id: string, wish: OrderWish): Promise<Order> {
  const { path, body } = wishCall(id, wish);
  const slot = `step.${path}`;
  const attempt = attemptFor(load<Attempt>(slot), body);
  save(slot, attempt);
  const call = { method: 'POST', body, idempotencyKey: attempt.key } as const;
  const token = tokenOf(id);
  try {
    const order = await (token ? send<Order>(path, { ...call, bearer: token }) : sendAsAccount<Order>(path, call));
    save(slot, null);
    return order;
  } catch (error) {
    if (!isOutcomeUnknown(error)) save(slot, null);
    throw error;
  }
}

/** Reads the invoice: a file that a link cannot ask for, because it goes with the order's token. */
export async function fetchInvoice(id: string): Promise<ReceivedFile> {
  return sendForFile(`/v1/orders/${encodeURIComponent(id)}/invoice`, tokenOf(id) ?? (await accessToken()));
}
