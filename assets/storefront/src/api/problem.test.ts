import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explain, fieldOf, networkError, problemOf, retryAfterSeconds, type Doing } from './problem';

function check(status: number, body: unknown, retry: number | null, doing: Doing, expected: { title: RegExp; text?: RegExp; canRetry: boolean }): void {
  const notice = explain(problemOf(status, body, retry), doing);
  assert.match(notice.title, expected.title);
  if (expected.text) assert.match(notice.text, expected.text);
  assert.equal(notice.canRetry, expected.canRetry);
}

test('says each failure the way a shopper needs it', () => {
  check(503, {}, 2, 'pay', { title: /Buying is paused/, text: /go on browsing.*2 seconds.*charged twice/s, canRetry: true });
  check(503, {}, null, 'browse', { title: /did not open/, canRetry: true });
  check(503, {}, null, 'login', { title: /Accounts are paused/, canRetry: true });
  check(429, { title: 'Too Many Requests' }, 30, 'cart', { title: /too fast/, text: /in 30 seconds/, canRetry: true });
  check(402, {}, null, 'pay', { title: /declined/, text: /Nothing was charged/, canRetry: false });
  check(409, { type: 'https://vitrine.example/problems/out-of-stock', detail: 'Arden has 0 left.' }, null, 'pay', { title: /while you were paying/, text: /Arden/, canRetry: false });
  check(409, { type: 'idempotency-in-flight' }, null, 'pay', { title: /Still working/, canRetry: true });
  check(401, { detail: 'wrong password' }, null, 'login', { title: /did not match/, canRetry: false });
  check(500, 'not an object', null, 'cart', { title: /paused/, canRetry: true });
  check(418, { title: 'Teapot', detail: 'Short and stout' }, null, 'cart', { title: /Teapot/, text: /stout/, canRetry: false });
});

test('treats no answer as something to try again', () => {
  assert.equal(explain(networkError(), 'pay').canRetry, true);
});

test('reads field errors in the shapes that are about', () => {
  const error = problemOf(422, {
    type: 'urn:vitrine:problem:validation',
    errors: [
      { pointer: '/shipping_address/city', detail: 'is missing' },
      { field: 'shipping_address.postal_code', message: 'is too long' },
      'something else',
      { pointer: '/email' },
      null,
    ],
  }, null);
  assert.equal(error.code, 'validation');
  assert.deepEqual(error.errors, [
    { field: 'city', message: 'is missing' },
    { field: 'postal_code', message: 'is too long' },
    { field: '', message: 'something else' },
  ]);
});

test('takes the last word of a pointer as the field', () => {
  for (const [pointer, field] of [['#/email', 'email'], ['/lines/0/quantity', 'quantity'], ['', ''], ['a.b[c]', 'c']] as const) {
    assert.equal(fieldOf(pointer), field);
  }
});

test('reads Retry-After as seconds or as a date', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  assert.equal(retryAfterSeconds('7', now), 7);
  assert.equal(retryAfterSeconds('Thu, 01 Jan 2026 00:00:10 GMT', now), 10);
  assert.equal(retryAfterSeconds('Wed, 31 Dec 2025 00:00:00 GMT', now), 0);
  assert.equal(retryAfterSeconds('soon', now), null);
  assert.equal(retryAfterSeconds(null, now), null);
});

test('one thing that is wrong is said, several stand at their fields', () => {
  const fault = (...details: string[]) =>
    problemOf(422, { type: 'x/invalid-input', title: 'The request is not valid', errors: details.map((detail) => ({ pointer: '/code', detail })) }, null);
  assert.equal(explain(fault('there is no such code'), 'cart').text, 'There is no such code.');
  assert.equal(explain(fault('one', 'two'), 'cart').text, 'The request is not valid');
});
