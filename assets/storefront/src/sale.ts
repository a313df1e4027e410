// How a variant can be bought, in words.

import type { Availability } from './api/types';

/** What a page says of a variant. */
export interface Offer {
  /** Beside the price. */
  label: string;
  /** On the button. */
  action: string;
  isSoldOut: boolean;
}

const LABELS: Record<Availability, string> = {
  in_stock: 'In stock',
  low: 'Few left',
  preorder: 'Pre-order',
  backorder: 'Back-order',
  out_of_stock: 'Sold out',
};

/** Returns what a list says of a product that is not on the shelf; nothing where it is. */
export function noteOf(availability: Availability | undefined): string | null {
  return availability === 'preorder' || availability === 'backorder' || availability === 'out_of_stock' ? LABELS[availability] : null;
}

/** Returns the words for a variant: what is promised says from which day on it ships, where that is known. */
export function offerOf({ availability, ships_at }: { availability: Availability; ships_at?: string }, locale?: string): Offer {
  // A state of a later version cannot be bought here.
  const label = LABELS[availability] ?? LABELS.out_of_stock;
  if (availability === 'in_stock' || availability === 'low') return { label, action: 'Add to cart', isSoldOut: false };
  if (availability !== 'preorder' && availability !== 'backorder') return { label, action: label, isSoldOut: true };
  if (!ships_at) return { label: `${label}, ships once it is here`, action: label, isSoldOut: false };
  const day = new Intl.DateTimeFormat(locale, { dateStyle: 'long' }).format(new Date(ships_at));
  return { label, action: `${label} — ships from ${day}`, isSoldOut: false };
}
