// How a variant that is not on the shelf can be bought, in words.

import type { Sale } from './api/types';

/** What the page says of a variant that is promised. */
export interface Promised {
  /** On the button. */
  action: string;
  /** Beside the price. */
  label: string;
}

/** Returns the words for what can be promised; nothing where it is on the shelf or sold out. */
export function promiseOf(sale: Sale | undefined, locale?: string): Promised | null {
  if (sale?.kind !== 'backorder' && sale?.kind !== 'pre_order') return null;
  const day = sale.expected_at ? new Intl.DateTimeFormat(locale, { dateStyle: 'long' }).format(new Date(sale.expected_at)) : null;
  const when = day ? `ships from ${day}` : 'ships once it is here';
  return sale.kind === 'pre_order' ? { action: 'Pre-order', label: `Pre-order, ${when}` } : { action: 'Order', label: `On order, ${when}` };
}
