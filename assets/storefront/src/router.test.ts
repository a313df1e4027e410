import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRoute, paths, safeNext } from './router';

function check(url: string, expected: object): void {
  const { pathname, search } = new URL(url, 'http://shop.test');
  assert.deepEqual(parseRoute(pathname, search), expected, url);
}

test('finds the page of every path', () => {
  check('/', { page: 'home' });
  check('/c/seating', { page: 'category', category: 'seating', sort: 'newest' });
  check('/c/seating/?sort=price_asc', { page: 'category', category: 'seating', sort: 'price_asc' });
  check('/c/seating?sort=nonsense', { page: 'category', category: 'seating', sort: 'newest' });
  check('/search?q=oak%20table', { page: 'search', query: 'oak table', category: '', sort: '', available: false });
  check('/p/lounge-chair?variant=LC-1', { page: 'product', handle: 'lounge-chair', variant: 'LC-1' });
  check('/cart', { page: 'cart' });
  check('/checkout', { page: 'checkout' });
  check('/orders/0192', { page: 'order', id: '0192' });
  check('/account', { page: 'account' });
  check('/login?next=%2Fcheckout', { page: 'login', next: '/checkout' });
});

test('answers not-found for paths it does not know or cannot read', () => {
  for (const url of ['/nope', '/p', '/c', '/p/a/b', '/orders', '/cart/x', '/p/%E0%A4%A']) {
    assert.equal(parseRoute(url, '').page, 'not-found', url);
  }
});

test('reads back every path that it writes', () => {
  check(paths.product('a b/ü', 'X&Y'), { page: 'product', handle: 'a b/ü', variant: 'X&Y' });
  check(paths.category('sofas', 'title'), { page: 'category', category: 'sofas', sort: 'title' });
  for (const available of [false, true]) {
    const expected = { page: 'search', query: '50% & more', category: 'sofas', sort: 'price_desc', available };
    check(paths.search('50% & more', 'sofas', 'price_desc', available), expected);
  }
  check(paths.order('o/1'), { page: 'order', id: 'o/1' });
});

test('never leaves the shop after login', () => {
  for (const bad of ['//evil.test', 'https://evil.test', '/\\evil.test', '', null]) assert.equal(safeNext(bad), '/account');
  assert.equal(safeNext('/checkout'), '/checkout');
});
