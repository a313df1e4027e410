// Products in a grid.

import type { ListItem } from '../api/types';
import { paths } from '../router';
import { noteOf } from '../sale';
import { CubeIcon } from './icons';
import { Picture } from './picture';
import { Price } from './price';

export interface ProductCardProps {
  item: ListItem;
  eager?: boolean;
  /** Level below the heading that the grid stands under. */
  heading?: 'h2' | 'h3';
}

/** One product: the whole card is one link with one name. */
export function ProductCard({ item, eager = false, heading: Heading = 'h3' }: ProductCardProps) {
  const note = noteOf(item.availability);
  return (
    <li class="card" data-testid="product-card" data-sku={item.sku}>
      <div class="niche">
        <Picture src={item.image_url} alt={item.image_alt ?? ''} eager={eager} />
        {item.has_ar && (
          <span class="badge" title="Can be seen in your room">
            <CubeIcon /> 3D
          </span>
        )}
      </div>
      <div class="card-text">
        <Heading class="card-title">
          <a href={paths.product(item.handle)}>{item.title}</a>
        </Heading>
        <p class="card-price">
          {item.available ? <Price money={item.price} short /> : <span class="sold-out">Sold out</span>}
          {item.available && note && <span class="promised">{note}</span>}
        </p>
        {item.subtitle && <p class="card-subtitle">{item.subtitle}</p>}
      </div>
    </li>
  );
}

export interface ProductGridProps {
  items: ListItem[] | undefined;
  /** Empty frames shown while loading. */
  frames?: number;
  /** Cards on the first screen, whose pictures load at once. */
  eager?: number;
  heading?: 'h2' | 'h3';
}

/** A grid of products, or of frames while they load. */
export function ProductGrid({ items, frames = 8, eager = 4, heading = 'h3' }: ProductGridProps) {
  if (!items) {
    return (
      <ul class="grid" aria-hidden="true">
        {Array.from({ length: frames }, (_, i) => (
          <li key={i} class="card card-frame">
            <div class="niche" />
            <div class="card-text" />
          </li>
        ))}
      </ul>
    );
  }
  return (
    <ul class="grid">
      {items.map((item, i) => (
        <ProductCard key={item.handle} item={item} eager={i < eager} heading={heading} />
      ))}
    </ul>
  );
}
