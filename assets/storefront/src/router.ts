// Paths to pages and back. Pure: the browser's history lives in `navigation.ts`.

/** Every page of the shop. */
export type Route =
  | { page: 'home' }
  | { page: 'category'; category: string; sort: Sort }
  | { page: 'search'; query: string; category: string; sort: Sort | ''; available: boolean }
  | { page: 'product'; handle: string; variant: string }
  | { page: 'cart' }
  | { page: 'checkout' }
  | { page: 'order'; id: string }
  | { page: 'login'; next: string }
  | { page: 'account' }
  | { page: 'not-found' };

/** Orders of a list that the API knows. */
export const SORTS = ['newest', 'price_asc', 'price_desc', 'title'] as const;
export type Sort = (typeof SORTS)[number];

function sortOf(value: string | null): Sort | '' {
  return SORTS.find((sort) => sort === value) ?? '';
}

/** Decodes one path segment; `null` for broken percent-encoding. */
function decode(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}

/** Allows only paths of this shop as a place to go after login, never `//host` or `https:`. */
export function safeNext(value: string | null): string {
  return value && /^\/(?![/\\])/.test(value) ? value : '/account';
}

/** Reads a path and a query (`?a=b`, may be empty). Slashes at the end do not matter. */
export function parseRoute(pathname: string, search: string): Route {
  const params = new URLSearchParams(search);
  const segments = pathname.split('/').filter((segment) => segment !== '').map(decode);
  const [first, second] = segments;
  if (segments.length > 2 || segments.includes(null)) return { page: 'not-found' };
  if (segments.length === 2 && second) {
    switch (first) {
      case 'c':
        return { page: 'category', category: second, sort: sortOf(params.get('sort')) || 'newest' };
      case 'p':
        return { page: 'product', handle: second, variant: params.get('variant') ?? '' };
      case 'orders':
        return { page: 'order', id: second };
      default:
        return { page: 'not-found' };
    }
  }
  switch (first) {
    case undefined:
      return { page: 'home' };
    case 'search':
      return {
        page: 'search',
        query: params.get('q') ?? '',
        category: params.get('category') ?? '',
        sort: sortOf(params.get('sort')),
        available: params.get('available') === 'true',
      };
    case 'cart':
    case 'checkout':
    case 'account':
      return { page: first };
    case 'login':
      return { page: 'login', next: safeNext(params.get('next')) };
    default:
      return { page: 'not-found' };
  }
}

function withQuery(path: string, params: Record<string, string>): string {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== '')).toString();
  return query === '' ? path : `${path}?${query}`;
}

/** Addresses of the pages. */
export const paths = {
  home: '/',
  cart: '/cart',
  checkout: '/checkout',
  account: '/account',
  category: (category: string, sort: Sort = 'newest') =>
    withQuery(`/c/${encodeURIComponent(category)}`, { sort: sort === 'newest' ? '' : sort }),
  search: (query = '', category = '', sort: Sort | '' = '', available = false) =>
    withQuery('/search', { q: query, category, sort, available: available ? 'true' : '' }),
  product: (handle: string, variant = '') => withQuery(`/p/${encodeURIComponent(handle)}`, { variant }),
  order: (id: string) => `/orders/${encodeURIComponent(id)}`,
  login: (next = '') => withQuery('/login', { next }),
};
