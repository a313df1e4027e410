import { fetchCategories, fetchProduct, fetchProducts } from '../api/catalogue';
import type { Category, ListItem } from '../api/types';
import { dimensionsText } from '../ar';
import { Picture } from '../parts/picture';
import { Price } from '../parts/price';
import { Problem } from '../parts/notice';
import { ProductGrid } from '../parts/product-card';
import { useResource } from '../parts/use-resource';
import { paths } from '../router';
import { currency } from '../state/currency';

/** Pieces asked for: one for the case, eight for the shelf. */
const SHOWN = 9;

/** The piece in the big case, with its measures once they are known. */
function Showcase({ item }: { item: ListItem | undefined }) {
  const product = useResource(item ? `product:${item.handle}:${currency.value}` : null, (signal) =>
    fetchProduct(currency.value, item?.handle ?? '', signal),
  );
  const dimensions = product.data?.model?.dimensions_m;
  return (
    <div class="showcase">
      <div class="showcase-case">
        {item ? <Picture src={item.image_url} alt={item.image_alt ?? ''} eager /> : <span class="picture" />}
        <svg viewBox="0 0 100 100" fill="none" aria-hidden="true">
          <path class="case-back" d="M6 6V0H100V94H94M0 6L6 0M94 6L100 0M94 100L100 94" />
          <path class="case-front" d="M0 6H94V100H0Z" />
        </svg>
      </div>
      {item && (
        <p class="showcase-caption">
          <a href={paths.product(item.handle)}>{item.title}</a>
          <Price money={item.price} short />
          <span class="measure">{dimensions ? dimensionsText(dimensions) : '\u00a0'}</span>
        </p>
      )}
    </div>
  );
}

function CategoryTile({ category }: { category: Category }) {
  return (
    <li class="tile">
      <Picture src={category.image_url} alt="" />
      <span class="tile-text">
        <a href={paths.category(category.handle)}>{category.title}</a>
        <span>{category.product_count} {category.product_count === 1 ? 'piece' : 'pieces'}</span>
      </span>
    </li>
  );
}

function Shelves() {
  const categories = useResource('categories', fetchCategories);
  if (categories.error) return <Problem error={categories.error} doing="browse" onRetry={categories.reload} />;
  return (
    <ul class="tiles">
      {categories.data
        ? categories.data.items.map((category) => <CategoryTile key={category.handle} category={category} />)
        : Array.from({ length: 5 }, (_, i) => <li key={i} class="tile" aria-hidden="true"><span class="picture" /></li>)}
    </ul>
  );
}

export function HomeView() {
  const newest = useResource(`home:${currency.value}`, (signal) =>
    fetchProducts(currency.value, { sort: 'newest', limit: SHOWN }, signal),
  );
  const items = newest.data?.items;
  const featured = items?.find((item) => item.has_ar && item.available) ?? items?.[0];
  const shelf = items?.filter((item) => item !== featured).slice(0, SHOWN - 1);
  return (
    <>
      <section class="hero">
        <div class="hero-text">
          <h1>Stand it in your room before it&nbsp;arrives.</h1>
          <p class="lead">Furniture and objects, each modelled to the millimetre. Walk around a piece on screen, then place it at true size through your phone.</p>
          <p class="actions">
            <a class="button" href={paths.search()}>See every piece</a>
            {featured && <a class="button button-quiet" href={paths.product(featured.handle)}>Try one in 3D</a>}
          </p>
        </div>
        <Showcase item={featured} />
      </section>
      <section class="section" aria-labelledby="shelves">
        <h2 id="shelves">Rooms and shelves</h2>
        <Shelves />
      </section>
      <section class="section" aria-labelledby="newest">
        <div class="section-head">
          <h2 id="newest">New in the shop</h2>
          <a href={paths.search('', '', 'newest')}>All pieces</a>
        </div>
        {newest.error ? <Problem error={newest.error} doing="browse" onRetry={newest.reload} /> : <ProductGrid items={shelf} eager={0} />}
      </section>
      <section class="band" aria-labelledby="how">
        <h2 id="how">How it comes into your room</h2>
        <ol class="steps">
          <li><b>Turn it</b><p>Every piece is a 3D model. Drag it, look underneath, change the wood or the cloth.</p></li>
          <li><b>Place it</b><p>On a phone, “View in your room” stands it on your floor at true size. On a computer, scan the code.</p></li>
          <li><b>Keep it</b><p>What fits goes into the cart. Stock is counted when you pay, so the last piece is sold once.</p></li>
        </ol>
      </section>
    </>
  );
}
