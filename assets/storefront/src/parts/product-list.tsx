// A long list of products: the grid, what happened to it, and the way to more of it.

import type { ComponentChildren } from 'preact';
import type { ListItem } from '../api/types';
import { Problem } from './notice';
import { ProductGrid } from './product-card';
import type { List } from './use-resource';

export interface ProductListProps {
  list: List<ListItem>;
  empty: ComponentChildren;
}

export function ProductList({ list, empty }: ProductListProps) {
  if (list.error) return <Problem error={list.error} doing="browse" onRetry={list.reload} />;
  if (list.data?.length === 0) return <>{empty}</>;
  return (
    <>
      <div class={list.isLoading && list.data ? 'is-reloading' : ''} aria-busy={list.isLoading}>
        <ProductGrid items={list.data} heading="h2" />
      </div>
      {list.moreError && <Problem error={list.moreError} doing="browse" onRetry={list.more} />}
      {list.hasMore && !list.moreError && (
        <p class="more">
          <button type="button" class="button button-quiet" aria-disabled={list.isLoadingMore} onClick={list.more}>
            {list.isLoadingMore ? 'Loading …' : 'Show more'}
          </button>
        </p>
      )}
    </>
  );
}
