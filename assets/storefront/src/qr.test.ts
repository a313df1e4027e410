import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { encodeQr, qrPath, TEXT_BYTES_MAX } from './qr';

/** Digests of symbols that an independent reader (jsQR) has read back to their text. */
const READ_BACK = [
  ['HELLO', 21, 'c346c75add5698735afe3f7eb4f3e6c57ccefd9563f45f65c6d76aa518fb6f91'],
  ['http://127.0.0.1:8080/p/lounge-chair?variant=LC-1', 33, '1c82ecd3137030b3e02859819ad1deb2000905fee8b6e225f870a2f2f13c5f21'],
  ['x'.repeat(TEXT_BYTES_MAX), 57, 'f8a692e420006d88c10e55f6fb2f048c68ad07db0d7c3f134adf4ff3fc04aae2'],
] as const;

test('draws the symbols that a reader has read back', () => {
  for (const [text, size, digest] of READ_BACK) {
    const modules = encodeQr(text);
    assert.equal(modules?.length, size);
    const rows = modules.map((line) => line.map((dark) => (dark ? '1' : '0')).join('')).join('\n');
    assert.equal(createHash('sha256').update(rows).digest('hex'), digest, text.slice(0, 20));
  }
});

test('refuses a text that does not fit, counted in bytes', () => {
  assert.equal(encodeQr('x'.repeat(TEXT_BYTES_MAX + 1)), null);
  assert.equal(encodeQr('ü'.repeat(107)), null);
  assert.notEqual(encodeQr('ü'.repeat(106)), null);
});

test('draws one square per dark module inside the margin', () => {
  const modules = encodeQr('HELLO')!;
  const dark = modules.flat().filter(Boolean).length;
  const path = qrPath(modules, 4);
  assert.equal(path.split('M').length - 1, dark);
  assert.ok(path.startsWith('M4 4h1'));
});
