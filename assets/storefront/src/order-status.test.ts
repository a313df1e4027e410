import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSettling, orderStatus, parcelStatus, paymentStatus, pollDelayMs, refundStatus, returnStatus } from './order-status';
import { wishCall } from './state/orders';

test('has words for states and shows unknown ones as they are', () => {
  assert.deepEqual(paymentStatus('captured'), { label: 'Paid', tone: 'good' });
  assert.deepEqual(orderStatus('confirmed'), { label: 'Confirmed', tone: 'good' });
  assert.deepEqual(orderStatus('in_the_workshop'), { label: 'In the workshop', tone: 'neutral' });
});

test('has words for what happens after the checkout', () => {
  assert.equal(parcelStatus('shipped').label, 'On its way');
  assert.equal(returnStatus('approved').tone, 'waiting');
  assert.equal(refundStatus('succeeded').label, 'Paid back');
  assert.equal(paymentStatus('partially_refunded').tone, 'neutral');
});

test('asks for each step of an order at its own address', () => {
  assert.deepEqual(wishCall('a b', { step: 'cancel' }), { path: '/v1/orders/a%20b/cancel', body: '{}' });
  assert.equal(wishCall('1', { step: 'cancel_return', id: '2' }).path, '/v1/orders/1/returns/2/cancel');
  const lines = [{ line: '3', pieces: 2, reason: 'unwanted' }];
  const { path, body } = wishCall('1', { step: 'request_return', lines });
  assert.equal(path, '/v1/orders/1/returns');
  assert.deepEqual(JSON.parse(body), { lines });
});

test('looks again only at payments that settle by themselves', () => {
  for (const status of ['created', 'processing', 'pending', 'unknown']) assert.ok(isSettling(status), status);
  for (const status of ['requires_action', 'captured', 'declined', 'expired']) assert.ok(!isSettling(status), status);
});

test('looks less and less often, at least every 15 seconds', () => {
  const delays = Array.from({ length: 12 }, (_, i) => pollDelayMs(i));
  assert.deepEqual(delays.slice(0, 3), [1000, 1500, 2250]);
  assert.ok(delays.every((delay, i) => i === 0 || delay >= delays[i - 1]!));
  assert.equal(delays.at(-1), 15_000);
});
