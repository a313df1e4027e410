import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PaymentMethods } from './api/types';
import { goesOn } from './idempotency';
import { choiceOf, choiceOfNothing, chosenWay, isTest, waysOf, withoutPaymentQuery } from './payment';

const FIELD = { publishable_key: 'pk_test_1', script_url: 'https://js.stripe.com/v3/', capture: 'automatic' } as const;
const STRIPE = { provider: 'stripe', methods: ['token', 'hosted'], field: FIELD };
const TEST = { provider: 'test', methods: ['success', 'decline', 'requires_action'] };

const idsOf = (methods: PaymentMethods): string[] => waysOf(methods).map(({ id }) => id);

test('offers what the shop takes and this page can do, and nothing else', () => {
  assert.deepEqual(idsOf({ providers: [TEST] }), ['success', 'requires_action', 'decline']);
  assert.deepEqual(idsOf({ providers: [STRIPE, TEST] }), ['stripe', 'success', 'requires_action', 'decline']);
  assert.deepEqual(idsOf({ providers: [{ provider: 'stripe', methods: ['token', 'hosted'] }] }), []);
  assert.deepEqual(idsOf({ providers: [{ provider: 'other', methods: ['token'], field: FIELD }] }), []);
});

test('says where no money moves', () => {
  assert.ok(isTest(waysOf({ providers: [TEST] })));
  assert.ok(isTest(waysOf({ providers: [STRIPE, TEST] })));
  assert.ok(!isTest(waysOf({ providers: [STRIPE] })));
});

test('writes a choice as the checkout takes it', () => {
  const ways = waysOf({ providers: [STRIPE, TEST] });
  const own = chosenWay(ways, '');
  assert.ok(own?.field);
  assert.deepEqual(choiceOf(own, 'ctoken_1'), { provider: 'stripe', method: 'token', token: 'ctoken_1' });
  assert.deepEqual(choiceOf(own, null), { provider: 'stripe', method: 'hosted' });
  const played = chosenWay(ways, 'decline');
  assert.deepEqual(played && choiceOf(played, null), { provider: 'test', method: 'decline' });
  assert.equal(chosenWay([], 'decline'), undefined);
  assert.deepEqual(choiceOfNothing({ providers: [STRIPE] }), { provider: 'stripe', method: 'hosted' });
  assert.deepEqual(choiceOfNothing({ providers: [TEST] }), { provider: 'test', method: 'success' });
});

test('takes the secrets of a payment out of an address and leaves the rest', () => {
  assert.equal(withoutPaymentQuery('?payment_intent=pi_1&payment_intent_client_secret=s&redirect_status=succeeded'), '');
  assert.equal(withoutPaymentQuery('?a=1&payment_intent_client_secret=s&b=%20x'), '?a=1&b=+x');
  assert.equal(withoutPaymentQuery('?a=%20x'), '?a=%20x');
  assert.equal(withoutPaymentQuery(''), '');
});

test('goes on by itself only with an attempt of a moment ago', () => {
  const attempt = { cart: 'c', key: 'k', body: '{}', at_ms: 1_000_000 };
  assert.ok(goesOn(attempt, 1_000_000));
  assert.ok(goesOn(attempt, 1_599_999));
  assert.ok(!goesOn(attempt, 1_600_000));
  assert.ok(!goesOn(attempt, 999_999), 'a clock that was set back says nothing');
});
