import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileName } from './file-name';

test('reads the name that an answer gives its file, and nothing that is none', () => {
  const cases: [string | null, string | null][] = [
    ['attachment; filename="invoice-2027-000007.pdf"', 'invoice-2027-000007.pdf'],
    ['attachment', null],
    [null, null],
    ['attachment; filename="../x.pdf"', null],
    ['attachment; filename=".profile"', null],
    ['inline; filename="a.pdf"', null],
  ];
  for (const [header, name] of cases) assert.equal(fileName(header), name, String(header));
});
