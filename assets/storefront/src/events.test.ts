import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EVENTS_MAX, Events, mayCount, type Wishes } from './events';

function world(wishes: Wishes = {}) {
  const sent: { path: string; body: { events: { name: string; subject?: string }[] } }[] = [];
  const timers: (() => void)[] = [];
  const events = new Events({
    wishes: () => wishes,
    beacon: (path, body) => sent.push({ path, body: JSON.parse(body) }),
    later: (work) => timers.push(work),
  });
  return { events, sent, timers };
}

test('nothing is collected when the browser asks not to be tracked', () => {
  for (const wishes of [{ doNotTrack: '1' }, { doNotTrack: 'yes' }, { globalPrivacyControl: true }]) {
    assert.equal(mayCount(wishes), false);
    const { events, sent, timers } = world(wishes);
    events.track('page_view', 'home');
    events.flush();
    assert.deepEqual([sent.length, timers.length], [0, 0]);
  }
  for (const wishes of [{}, { doNotTrack: null }, { doNotTrack: '0' }, { doNotTrack: 'unspecified', globalPrivacyControl: false }]) {
    assert.equal(mayCount(wishes), true);
  }
});

test('events wait for each other and leave together', () => {
  const { events, sent, timers } = world();
  events.track('page_view', 'product');
  events.track('product_view', 'lyra-chair');
  events.track('search');
  assert.deepEqual([sent.length, timers.length], [0, 1]);
  timers[0]?.();
  assert.equal(sent[0]?.path, '/v1/events');
  assert.deepEqual(sent[0]?.body.events, [
    { name: 'page_view', subject: 'product' },
    { name: 'product_view', subject: 'lyra-chair' },
    { name: 'search' },
  ]);
  events.track('checkout_start');
  assert.equal(timers.length, 2);
});

test('a beacon never has more events than the API takes', () => {
  const { events, sent } = world();
  for (let i = 0; i < EVENTS_MAX + 1; i += 1) events.track('search');
  events.flush();
  assert.deepEqual(sent.map(({ body }) => body.events.length), [EVENTS_MAX, 1]);
  events.flush();
  assert.equal(sent.length, 2);
});
