// Reads of the catalogue: public, answered by the edge's own replica.

import type { Currency } from '../money';
import type { Sort } from '../router';
import { send, withParams } from './client';
import type { ArManifest, Category, ListItem, Page, Product } from './types';

/** Cards per page: divides by 2, 3 and 4 columns. */
export const PAGE_SIZE = 12;

export interface ListQuery {
  category?: string;
  query?: string;
  sort?: Sort | '';
  /** Only what can be bought. */
  available?: boolean;
  cursor?: string | null;
  limit?: number;
}

export function fetchCategories(signal?: AbortSignal): Promise<Page<Category>> {
  return send('/v1/categories', signal ? { signal } : {});
}

export function fetchProducts(currency: Currency, list: ListQuery, signal?: AbortSignal): Promise<Page<ListItem>> {
  const { category, query, sort, available, cursor, limit = PAGE_SIZE } = list;
  const path = withParams('/v1/products', { limit, cursor, category, q: query, sort, available: available ? 'true' : '', currency });
  return send(path, signal ? { signal } : {});
}

/** Searches by relevance. With a category, an order or a filter the list endpoint does it, which knows them all. */
export function search(currency: Currency, list: ListQuery, signal?: AbortSignal): Promise<Page<ListItem>> {
  if (!list.query || list.category || list.sort || list.available) return fetchProducts(currency, list, signal);
  const path = withParams('/v1/search', { q: list.query, limit: list.limit ?? PAGE_SIZE, cursor: list.cursor, currency });
  return send(path, signal ? { signal } : {});
}

export function fetchProduct(currency: Currency, handle: string, signal?: AbortSignal): Promise<Product> {
  return send(withParams(`/v1/products/${encodeURIComponent(handle)}`, { currency }), signal ? { signal } : {});
}

export function fetchAr(currency: Currency, sku: string, signal?: AbortSignal): Promise<ArManifest> {
  return send(withParams(`/v1/ar/${encodeURIComponent(sku)}`, { currency }), signal ? { signal } : {});
}
