import assert from 'node:assert/strict';
import { test } from 'node:test';

import { compare } from './verdict.mjs';

const TESTS = [
  { id: 'must' },
  { id: 'should', kind: 'optimal' },
  { id: 'fact', kind: 'check' },
  { id: 'window', browser_only: true },
];
const GOOD = { must: true, should: true, fact: true };
const FAILED = ['Assertion', 'Response 2 comes from cache'];

test('a run without failures is one without complaints, and is counted by kind', () => {
  const verdict = compare(TESTS, { ...GOOD, fact: FAILED }, {});
  assert.deepEqual(verdict.complaints, []);
  assert.equal(verdict.passed, 2);
  assert.equal(
    verdict.summary,
    'required 1 of 1, optimal 1 of 1, check 0 of 1; 0 known failures',
  );
});

test('a failure that is not listed is a complaint that says why, whether demanded or recommended', () => {
  for (const id of ['must', 'should']) {
    const { complaints, passed } = compare(TESTS, { ...GOOD, [id]: FAILED }, {});
    assert.equal(complaints.length, 1);
    assert.match(complaints[0], new RegExp(`^${id} .*Response 2 comes from cache`));
    assert.equal(passed, 1);
  }
  assert.equal(compare(TESTS, { ...GOOD, must: undefined }, {}).complaints.length, 1);
});

test('a listed failure is none, until it passes or the suite has it no more', () => {
  const listed = { should: 'The reason.' };
  assert.deepEqual(compare(TESTS, { ...GOOD, should: FAILED }, listed).complaints, []);
  assert.match(compare(TESTS, GOOD, listed).complaints[0], /^should .*take it off the list/);
  for (const id of ['gone', 'fact', 'window']) {
    const { complaints } = compare(TESTS, GOOD, { [id]: 'The reason.' });
    assert.match(complaints[0], new RegExp(`^${id} is listed`));
  }
});
