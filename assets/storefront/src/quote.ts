// What a quote says, in words. Pure.

import type { Cart, Days, Reason } from './api/types';
import { formatMoney, type Money } from './money';

const REASONS: Record<string, string> = {
  unknown: 'There is no such code.',
  already_applied: 'Applied already.',
  not_yet: 'Not valid yet.',
  expired: 'No longer valid.',
  used_up: 'Used up.',
  used_up_for_buyer: 'You have used it already.',
  needs_account: 'Sign in to use it.',
  not_first_order: 'For a first order only.',
  wrong_currency: 'Not for this currency.',
  nothing_matches: 'Nothing in your cart matches it.',
  other_shipping_method: 'Goes with another delivery.',
  no_shipping: 'Choose a delivery first.',
  not_combinable: 'Your other offers save you more.',
  nothing_left: 'There is nothing left to take off.',
  given_twice: 'Entered twice.',
  disabled: 'This gift card is blocked.',
  empty: 'This gift card is empty.',
  not_needed: 'Everything is paid without it.',
  destination: 'Does not deliver there.',
};

/** Says why a code, a gift card or a delivery does not do what was hoped. */
export function reasonText({ reason, missing, grams_max, subtotal_min }: Reason, locale?: string): string {
  const money = (value: Money): string => formatMoney(value, locale === undefined ? {} : { locale });
  if (reason === 'subtotal_not_reached' && typeof missing === 'object') return `Add ${money(missing)} more to use it.`;
  if (reason === 'pieces_not_reached' && typeof missing === 'number') return `Add ${missing} more ${missing === 1 ? 'piece' : 'pieces'} to use it.`;
  if (reason === 'too_heavy' && grams_max !== undefined) return `Carries up to ${grams_max / 1000} kg.`;
  if (reason === 'subtotal_too_low' && subtotal_min) return `From ${money(subtotal_min)} on.`;
  return REASONS[reason] ?? 'Does not apply.';
}

/** Writes a tax rate of millionths: `19 %`, `6.875 %`. */
export function rateText(millionths: number): string {
  return `${millionths / 10_000} %`;
}

/** Says how long a delivery takes; nothing where the shop has not said. */
export function daysText({ min, max }: Days): string {
  if (max === 0) return '';
  if (max === 1) return min === max ? '1 day' : 'up to 1 day';
  return min === max ? `${max} days` : `${min}–${max} days`;
}

/** What is left to pay. */
export function dueOf(cart: Pick<Cart, 'totals'>): Money {
  return cart.totals.due ?? cart.totals.total;
}
