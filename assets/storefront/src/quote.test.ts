import assert from 'node:assert/strict';
import { test } from 'node:test';
import { daysText, dueOf, rateText, reasonText } from './quote';

const eur = (minor: number) => ({ minor, currency: 'EUR' });

test('reasons say what is missing', () => {
  assert.equal(reasonText({ reason: 'subtotal_not_reached', missing: eur(1250) }, 'en'), 'Add €12.50 more to use it.');
  assert.equal(reasonText({ reason: 'pieces_not_reached', missing: 1 }), 'Add 1 more piece to use it.');
  assert.equal(reasonText({ reason: 'too_heavy', grams_max: 31_500 }), 'Carries up to 31.5 kg.');
  assert.equal(reasonText({ reason: 'used_up' }), 'Used up.');
  assert.equal(reasonText({ reason: 'a word of tomorrow' }), 'Does not apply.');
});

test('rates and days are written for people', () => {
  assert.equal(rateText(190_000), '19 %');
  assert.equal(rateText(68_750), '6.875 %');
  assert.equal(daysText({ min: 2, max: 4 }), '2–4 days');
  assert.equal(daysText({ min: 1, max: 1 }), '1 day');
  assert.equal(daysText({ min: 0, max: 0 }), '');
});

test('a cart of an earlier visit is due as a whole', () => {
  const totals = { currency: 'EUR', subtotal: eur(1), shipping: eur(2), tax: eur(0), total: eur(3) };
  assert.deepEqual(dueOf({ totals }), eur(3));
  assert.deepEqual(dueOf({ totals: { ...totals, due: eur(1) } }), eur(1));
});
