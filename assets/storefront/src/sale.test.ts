import assert from 'node:assert/strict';
import { test } from 'node:test';
import { promiseOf } from './sale';

test('says when what is promised ships, and nothing of what is not promised', () => {
  const day = '2026-12-03T12:00:00Z';
  assert.deepEqual(promiseOf({ kind: 'pre_order', expected_at: day }, 'en-GB'), {
    action: 'Pre-order',
    label: 'Pre-order, ships from 3 December 2026',
  });
  assert.deepEqual(promiseOf({ kind: 'backorder' }), { action: 'Order', label: 'On order, ships once it is here' });
  assert.equal(promiseOf({ kind: 'backorder', expected_at: day }, 'en-GB')?.label, 'On order, ships from 3 December 2026');
  assert.equal(promiseOf({ kind: 'from_stock' }), null);
  assert.equal(promiseOf({ kind: 'sold_out' }), null);
  assert.equal(promiseOf(undefined), null);
});
