import { useEffect } from 'preact/hooks';
import { fetchCategories, search } from '../api/catalogue';
import { navigate } from '../navigation';
import { GlassCase } from '../parts/glass-case';
import { ProductList } from '../parts/product-list';
import { SortSelect } from '../parts/sort-select';
import { useList, useResource } from '../parts/use-resource';
import { paths, type Sort } from '../router';
import { speak } from '../state/announce';
import { currency } from '../state/currency';
import { useTitle } from './use-title';

export interface SearchViewProps {
  query: string;
  category: string;
  sort: Sort | '';
  /** Only what can be bought. */
  available: boolean;
}

/** All pieces, or those that match, in one category or in all. */
export function SearchView({ query, category, sort, available }: SearchViewProps) {
  useTitle(query ? `“${query}”` : 'Every piece');
  const categories = useResource('categories', fetchCategories);
  const list = useList(`search:${query}:${category}:${sort}:${available}:${currency.value}`, (cursor, signal) =>
    search(currency.value, { query, category, sort, available, cursor }, signal),
  );
  const count = list.isLoading ? undefined : list.data?.length;
  const found = count === undefined ? '' : `${count}${list.hasMore ? ' or more' : ''} ${count === 1 ? 'piece' : 'pieces'}`;
  useEffect(() => {
    if (found) speak(query ? `${found} for ${query}` : found);
  }, [found, query]);
  const chip = (handle: string, title: string) => (
    <li key={handle}>
      <a class="chip" href={paths.search(query, handle, sort, available)} aria-current={category === handle ? 'true' : undefined}>{title}</a>
    </li>
  );
  return (
    <>
      <div class="page-head">
        <h1>{query ? <>“{query}”</> : 'Every piece'}</h1>
        <div class="toolbar">
          <span class="muted">{found || '\u00a0'}</span>
          <button
            type="button"
            class="chip"
            data-testid="only-available"
            aria-pressed={available}
            onClick={() => navigate(paths.search(query, category, sort, !available), { replace: true })}
          >
            Can be ordered
          </button>
          <SortSelect
            value={query ? sort : sort || 'newest'}
            byRelevance={query !== ''}
            onChange={(next) => navigate(paths.search(query, category, next, available), { replace: true })}
          />
        </div>
      </div>
      <ul class="chips" aria-label="Category">
        {chip('', 'All')}
        {categories.data?.items.map(({ handle, title }) => chip(handle, title))}
      </ul>
      <ProductList
        list={list}
        empty={
          <div class="empty">
            <GlassCase />
            <h2>{query ? `Nothing on display for “${query}”` : 'Nothing on display here'}</h2>
            <p>Try fewer or other words, or <a href={paths.search()}>look at every piece</a>.</p>
          </div>
        }
      />
    </>
  );
}
