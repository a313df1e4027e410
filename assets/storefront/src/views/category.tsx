import { fetchCategories, fetchProducts } from '../api/catalogue';
import { navigate } from '../navigation';
import { Problem } from '../parts/notice';
import { ProductList } from '../parts/product-list';
import { SortSelect } from '../parts/sort-select';
import { useList, useResource } from '../parts/use-resource';
import { paths, type Sort } from '../router';
import { currency } from '../state/currency';
import { NotFoundView } from './not-found';
import { useTitle } from './use-title';

export interface CategoryViewProps {
  handle: string;
  sort: Sort;
}

export function CategoryView({ handle, sort }: CategoryViewProps) {
  const categories = useResource('categories', fetchCategories);
  const list = useList(`category:${handle}:${sort}:${currency.value}`, (cursor, signal) =>
    fetchProducts(currency.value, { category: handle, sort, cursor }, signal),
  );
  const category = categories.data?.items.find((one) => one.handle === handle);
  useTitle(category?.title ?? '');
  if (list.error?.status === 404 || (categories.data && !category)) return <NotFoundView />;
  return (
    <>
      <div class="page-head">
        <div>
          <h1>{category?.title ?? '\u00a0'}</h1>
          {category?.description && <p class="lead">{category.description}</p>}
        </div>
        <div class="toolbar">
          {category && <span class="muted">{category.product_count} {category.product_count === 1 ? 'piece' : 'pieces'}</span>}
          <SortSelect value={sort} onChange={(next) => navigate(paths.category(handle, next || 'newest'), { replace: true })} />
        </div>
      </div>
      {categories.error && !list.error && <Problem error={categories.error} doing="browse" onRetry={categories.reload} />}
      <ProductList list={list} empty={<p class="empty-line">This shelf is empty at the moment.</p>} />
    </>
  );
}
