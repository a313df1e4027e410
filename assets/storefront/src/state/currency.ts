// The currency that prices are asked for in.

import { signal } from '@preact/signals';
import { isCurrency, type Currency } from '../money';
import { load, save } from './storage';

function initial(): Currency {
  const kept = load<unknown>('currency');
  return isCurrency(kept) ? kept : 'EUR';
}

/** Chosen currency; change it with [`chooseCurrency`]. */
export const currency = signal<Currency>(initial());

/** Changes the currency and keeps it for the next visit. */
export function chooseCurrency(next: Currency): void {
  currency.value = next;
  save('currency', next);
}
