import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Availability, Line, Order, Promised } from './api/types';
import { awaitedNote, lineNote, noteOf, offerOf, shownPromises } from './sale';

const DAY = '2026-12-03T12:00:00Z';

test('says how a variant can be bought, and from which day on what is promised ships', () => {
  const table: [Availability, string | undefined, string, string, boolean][] = [
    ['in_stock', undefined, 'In stock', 'Add to cart', false],
    ['low', undefined, 'Few left', 'Add to cart', false],
    ['preorder', DAY, 'Pre-order', 'Pre-order — ships from 3 December 2026', false],
    ['backorder', DAY, 'Back-order', 'Back-order — ships from 3 December 2026', false],
    ['backorder', undefined, 'Back-order, ships once it is here', 'Back-order', false],
    ['out_of_stock', undefined, 'Sold out', 'Sold out', true],
    ['of-a-later-version' as Availability, DAY, 'Sold out', 'Sold out', true],
  ];
  for (const [availability, ships_at, label, action, isSoldOut] of table) {
    const variant = ships_at === undefined ? { availability } : { availability, ships_at };
    assert.deepEqual(offerOf(variant, 'en-GB'), { label, action, isSoldOut }, availability);
  }
});

test('lists name what is not on the shelf', () => {
  assert.deepEqual(
    (['in_stock', 'low', 'preorder', 'backorder', 'out_of_stock', undefined] as const).map(noteOf),
    [null, null, 'Pre-order', 'Back-order', 'Sold out', null],
  );
});

const line = (quantity: number, promise?: Promised): Line =>
  ({ id: 'l', sku: 'S', handle: 's', title: 'S', image_url: '', quantity, unit_price: { minor: 1, currency: 'EUR' }, line_total: { minor: 1, currency: 'EUR' }, ...(promise ? { promise } : {}) });

test('a line repeats the words of the page that it came from, and of a part how much of it', () => {
  const table: [Line, string, string | null][] = [
    [line(2), 'en-GB', null],
    [line(2, { kind: 'preorder', pieces: 2, ships_at: DAY }), 'en-GB', 'Pre-order — ships from 3 December 2026'],
    [line(2, { kind: 'preorder', pieces: 2, ships_at: DAY }), 'de-DE', 'Pre-order — ships from 3. Dezember 2026'],
    [line(1, { kind: 'backorder', pieces: 1 }), 'en-GB', 'Back-order, ships once it is here'],
    [line(5, { kind: 'backorder', pieces: 2, ships_at: DAY }), 'en-GB', '3 in stock, 2 on back-order — ships from 3 December 2026'],
    [line(5, { kind: 'preorder', pieces: 4 }), 'en-GB', '1 in stock, 4 on pre-order, ships once it is here'],
  ];
  for (const [own, locale, expected] of table) assert.equal(lineNote(own, locale), expected);
  const alone = offerOf({ availability: 'preorder', ships_at: DAY }, 'en-GB').action;
  assert.equal(lineNote(line(1, { kind: 'preorder', pieces: 1, ships_at: DAY }), 'en-GB'), alone);
});

test('an order says what is awaited until all of it has left', () => {
  const own = line(3, { kind: 'backorder', pieces: 1 });
  const note = '2 in stock, 1 on back-order, ships once it is here';
  const parcel = (status: string, pieces: number, of = 'l') => ({ id: 'f', status, lines: [{ line: of, pieces }], tracking: null });
  const table: [Partial<Order>, string | null][] = [
    [{ status: 'confirmed' }, note],
    [{ status: 'confirmed', fulfilments: [parcel('pending', 3)] }, note],
    [{ status: 'confirmed', fulfilments: [parcel('shipped', 2)] }, note],
    [{ status: 'confirmed', fulfilments: [parcel('shipped', 3, 'other')] }, note],
    [{ status: 'confirmed', fulfilments: [parcel('delivered', 2), parcel('shipped', 1)] }, null],
    [{ status: 'confirmed', fulfilments: [parcel('shipped', 2)], cancelled: [{ line: 'l', pieces: 1 }] }, null],
    [{ status: 'cancelled' }, null],
    [{ status: 'expired' }, null],
  ];
  for (const [order, expected] of table) assert.equal(awaitedNote({ status: '', ...order }, own, 'en-GB'), expected, JSON.stringify(order));
});

test('a checkout repeats what was shown', () => {
  assert.deepEqual(shownPromises([line(1), line(2, { kind: 'preorder', pieces: 1, ships_at: DAY })]), [{ line: 'l', kind: 'preorder', pieces: 1, ships_at: DAY }]);
});
