// How a variant can be bought, in words.

import type { Availability, Line, Order, Promised } from './api/types';

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
  const words = promiseText({ kind: availability, ships_at }, locale);
  return ships_at ? { label, action: words, isSoldOut: false } : { label: words, action: label, isSoldOut: false };
}

/** Says how what is not there is sold, and from which day on it ships, where that is known. */
function promiseText({ kind, ships_at }: { kind: Promised['kind']; ships_at?: string | undefined }, locale?: string): string {
  // A kind of a later version is one of pieces that are not there yet, whatever it is called.
  const label = LABELS[kind] ?? LABELS.backorder;
  if (!ships_at) return `${label}, ships once it is here`;
  const day = new Intl.DateTimeFormat(locale, { dateStyle: 'long' }).format(new Date(ships_at));
  return `${label} — ships from ${day}`;
}

/** Returns what a line says of its pieces that are not there yet; nothing where all are. */
export function lineNote({ quantity, promise }: Pick<Line, 'quantity' | 'promise'>, locale?: string): string | null {
  if (!promise) return null;
  const words = promiseText(promise, locale);
  return promise.pieces < quantity ? `${quantity - promise.pieces} in stock, ${promise.pieces} on ${words.charAt(0).toLowerCase()}${words.slice(1)}` : words;
}

/** Returns what a line of an order says of them: nothing once all its pieces have left, and of an order that came to nothing. */
export function awaitedNote(order: Pick<Order, 'status' | 'cancelled' | 'fulfilments'>, line: Line, locale?: string): string | null {
  if (order.status === 'cancelled' || order.status === 'expired') return null;
  const left = order.fulfilments?.filter(({ status }) => status === 'shipped' || status === 'delivered').flatMap(({ lines }) => lines) ?? [];
  const gone = [...left, ...(order.cancelled ?? [])].reduce((sum, own) => (own.line === line.id ? sum + own.pieces : sum), 0);
  return gone < line.quantity ? lineNote(line, locale) : null;
}

/** Returns what lines promise, as a checkout repeats it: all others were shown as being there. */
export function shownPromises(lines: readonly Line[]): ({ line: string } & Promised)[] {
  return lines.flatMap(({ id, promise }) => (promise ? [{ line: id, ...promise }] : []));
}
