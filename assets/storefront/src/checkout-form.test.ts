import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COUNTRIES, countryName, EMPTY_FORM, isEmail, placeErrors, validate } from './checkout-form';

const COMPLETE = { ...EMPTY_FORM, email: 'ada@example.org', name: 'Ada', line1: 'Weg 1', postal_code: '10115', city: 'Berlin' };

test('accepts a complete form and names every missing field of an empty one', () => {
  assert.deepEqual(validate(COMPLETE), {});
  assert.deepEqual(Object.keys(validate(EMPTY_FORM)).sort(), ['city', 'email', 'line1', 'name', 'postal_code']);
  assert.deepEqual(Object.keys(validate({ ...COMPLETE, city: '  ' })), ['city']);
});

test('tells plausible addresses from slips', () => {
  for (const good of ['a@b.co', 'ada.l+x@mail.example.org']) assert.ok(isEmail(good), good);
  for (const bad of ['a@b', 'a b@c.de', '@b.de', 'a@b..de', 'a@.de']) assert.ok(!isEmail(bad), bad);
});

test('puts the complaints of the server at their fields, the first of each', () => {
  const { fields, rest } = placeErrors([
    { field: 'city', message: 'is too long' },
    { field: 'city', message: 'is odd' },
    { field: 'method', message: 'is unknown' },
  ]);
  assert.deepEqual(fields, { city: 'Is too long' });
  assert.deepEqual(rest, ['is unknown']);
});

test('names every country and passes on what it does not know', () => {
  for (const code of COUNTRIES) assert.notEqual(countryName(code), code);
  assert.equal(countryName('not a code'), 'not a code');
});
