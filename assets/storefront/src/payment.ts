// The ways to pay that a shop has, and what goes to the checkout for each. Pure.

import type { PaymentChoice, PaymentField, PaymentMethods } from './api/types';

/** A way to pay, as shoppers choose it. */
export interface Way {
  id: string;
  provider: string;
  method: string;
  title: string;
  text: string;
  /** The provider's own field, where it is paid on one. */
  field?: PaymentField;
}

/** The provider that only plays. */
const TEST = 'test';

const PLAYED: { method: string; title: string; text: string }[] = [
  { method: 'success', title: 'Card that is accepted', text: 'Paid at once.' },
  { method: 'requires_action', title: 'Card that asks you back', text: 'The test bank wants your approval first (3-D Secure).' },
  { method: 'late', title: 'Bank transfer', text: 'Confirmed a little later; the order page waits for it.' },
  { method: 'hosted', title: 'On the bank’s own page', text: 'You go to the test bank and come back.' },
  { method: 'decline', title: 'Card that is declined', text: 'The bank says no. Nothing is charged.' },
];

/** The ways that this page can offer, the best first. */
export function waysOf({ providers }: PaymentMethods): Way[] {
  return providers.flatMap(({ provider, methods, field }): Way[] => {
    if (provider === TEST) {
      const played = PLAYED.filter(({ method }) => methods.includes(method));
      return played.map((way) => ({ ...way, id: way.method, provider }));
    }
    if (provider !== 'stripe' || !field || !methods.includes('token')) return [];
    const text = 'Your details go to Stripe, not to this shop.';
    return [{ id: provider, provider, method: 'token', title: 'Card or another way', text, field }];
  });
}

/** Tells that no money moves, whatever is chosen: a shop that takes some offers nothing that is played. */
export function isTest(ways: readonly Way[]): boolean {
  return ways.some(({ provider }) => provider === TEST);
}

/** The chosen way, or the first. */
export function chosenWay(ways: readonly Way[], id: string): Way | undefined {
  return ways.find((way) => way.id === id) ?? ways[0];
}

/** What says how it is paid. `token` is what the provider's field made; there is none where nothing is left to pay. */
export function choiceOf({ provider, method }: Way, token: string | null): PaymentChoice {
  if (method !== 'token') return { provider, method };
  return token === null ? { provider, method: 'hosted' } : { provider, method, token };
}

/** For a checkout of nothing where this page has no way to pay: the provider is not asked. */
export function choiceOfNothing({ providers }: PaymentMethods): PaymentChoice {
  const first = providers[0];
  const method = first?.methods.find((known) => known !== 'token') ?? 'hosted';
  return { provider: first?.provider ?? TEST, method };
}

/** Takes out of an address's query what Stripe adds for the page that payers come back to. */
export function withoutPaymentQuery(search: string): string {
  const query = new URLSearchParams(search);
  const names = ['payment_intent', 'payment_intent_client_secret', 'redirect_status', 'source_redirect_slug', 'source_type'];
  if (!names.some((name) => query.has(name))) return search;
  names.forEach((name) => query.delete(name));
  const rest = query.toString();
  return rest === '' ? '' : `?${rest}`;
}
