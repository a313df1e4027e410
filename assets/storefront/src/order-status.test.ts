import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSettling, orderStatus, paymentStatus, pollDelayMs } from './order-status';

test('has words for states and shows unknown ones as they are', () => {
  assert.deepEqual(paymentStatus('captured'), { label: 'Paid', tone: 'good' });
  assert.deepEqual(orderStatus('confirmed'), { label: 'Confirmed', tone: 'good' });
  assert.deepEqual(orderStatus('in_the_workshop'), { label: 'In the workshop', tone: 'neutral' });
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
