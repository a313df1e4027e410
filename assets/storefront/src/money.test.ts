import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exponentOf, formatMoney, isCurrency } from './money';

test('takes the number of decimals from the currency', () => {
  for (const [currency, exponent] of [['EUR', 2], ['USD', 2], ['JPY', 0], ['KWD', 3]] as const) {
    assert.equal(exponentOf(currency), exponent, currency);
  }
});

test('writes minor units with the decimals of their currency', () => {
  const cases = [
    [129_900, 'USD', '$1,299.00'],
    [5, 'USD', '$0.05'],
    [0, 'EUR', '€0.00'],
    [129_900, 'JPY', '¥129,900'],
    [1_234, 'KWD', 'KWD\u00a01.234'],
    [-150, 'EUR', '-€1.50'],
  ] as const;
  for (const [minor, currency, expected] of cases) {
    assert.equal(formatMoney({ minor, currency }, { locale: 'en-US' }), expected);
  }
});

test('leaves out the decimals of whole price tags only', () => {
  assert.equal(formatMoney({ minor: 129_900, currency: 'USD' }, { locale: 'en-US', short: true }), '$1,299');
  assert.equal(formatMoney({ minor: 129_950, currency: 'USD' }, { locale: 'en-US', short: true }), '$1,299.50');
});

test('knows the currencies of the shop', () => {
  assert.ok(isCurrency('JPY'));
  assert.ok(!isCurrency('jpy'));
  assert.ok(!isCurrency(null));
});
