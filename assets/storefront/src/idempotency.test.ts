import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkError, problemOf } from './api/problem';
import { attemptFor, isOutcomeUnknown, newKey } from './idempotency';

test('keeps the key while the body is the same and takes a new one when it changes', () => {
  let count = 0;
  const makeKey = (): string => `key-${(count += 1)}`;
  const first = attemptFor(null, 'a', makeKey);
  assert.deepEqual(first, { key: 'key-1', body: 'a' });
  assert.equal(attemptFor(first, 'a', makeKey), first);
  assert.deepEqual(attemptFor(first, 'b', makeKey), { key: 'key-2', body: 'b' });
});

test('keeps an attempt open only while nobody knows how it ended', () => {
  for (const status of [408, 429, 500, 502, 503, 504]) assert.ok(isOutcomeUnknown(problemOf(status, {}, null)), `${status}`);
  for (const status of [400, 402, 404, 409, 422]) assert.ok(!isOutcomeUnknown(problemOf(status, {}, null)), `${status}`);
  assert.ok(isOutcomeUnknown(networkError()));
  assert.ok(isOutcomeUnknown(new TypeError('cut')));
  assert.ok(isOutcomeUnknown(problemOf(409, { type: 'idempotency-key-in-flight' }, null)));
});

test('makes version 4 UUIDs without randomUUID', () => {
  const plain = { getRandomValues: (bytes: Uint8Array) => bytes.fill(0xff) } as unknown as Crypto;
  assert.equal(newKey(plain), 'ffffffff-ffff-4fff-bfff-ffffffffffff');
  assert.match(newKey(), /^[0-9a-f-]{36}$/);
});
