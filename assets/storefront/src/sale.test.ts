import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Availability } from './api/types';
import { noteOf, offerOf } from './sale';

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
