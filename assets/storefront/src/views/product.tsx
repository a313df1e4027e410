import { useEffect, useState } from 'preact/hooks';
import { fetchAr, fetchProduct } from '../api/catalogue';
import { ApiError } from '../api/problem';
import type { ArManifest, Product, Variant } from '../api/types';
import { dimensionsText } from '../ar';
import { track } from '../events';
import { navigate } from '../navigation';
import { CubeIcon } from '../parts/icons';
import { ModelStage } from '../parts/model-stage';
import { Problem } from '../parts/notice';
import { Picture } from '../parts/picture';
import { Price } from '../parts/price';
import { RoomButton } from '../parts/room';
import { ScaleDrawing } from '../parts/scale-drawing';
import { useResource } from '../parts/use-resource';
import { paths } from '../router';
import { noteOf, offerOf } from '../sale';
import { announce } from '../state/announce';
import { addToCart } from '../state/cart';
import { currency } from '../state/currency';
import type { ModelViewerElement } from '../viewer';
import { NotFoundView } from './not-found';
import { useTitle } from './use-title';

interface GalleryProps {
  product: Product;
  variant: Variant;
  manifest: ArManifest | undefined;
  onViewer: (viewer: ModelViewerElement | null) => void;
}

/** Pictures of a product, the chosen variant's first, none twice. */
function picturesOf(product: Product, variant: Variant): { url: string; alt: string }[] {
  const own = { url: variant.image_url, alt: variant.image_alt ?? `${product.title}, ${variant.title}` };
  const others = product.variants.map((one) => one.image_url);
  return [own, ...product.images.filter(({ url }) => url !== own.url && !others.includes(url))].filter(({ url }) => url);
}

function Gallery({ product, variant, manifest, onViewer }: GalleryProps) {
  const [shown, setShown] = useState<'model' | number>(product.model ? 'model' : 0);
  const pictures = picturesOf(product, variant);
  const picture = shown === 'model' ? undefined : (pictures[shown] ?? pictures[0]);
  const hasChoice = pictures.length + (product.model ? 1 : 0) > 1;
  return (
    <div class="gallery">
      <div class="stage niche">
        {product.model && shown === 'model' ? (
          <ModelStage
            src={product.model.web_glb_url}
            usdz={manifest?.links.usdz}
            poster={variant.image_url || manifest?.poster_url}
            title={product.title}
            variant={manifest?.material_variant ?? undefined}
            onViewer={onViewer}
          />
        ) : (
          <Picture src={picture?.url} alt={picture?.alt ?? ''} eager />
        )}
      </div>
      {hasChoice && (
        <ul class="thumbs" aria-label="Views">
          {product.model && (
            <li>
              <button type="button" class="thumb" aria-pressed={shown === 'model'} onClick={() => setShown('model')}>
                <CubeIcon /> 3D
              </button>
            </li>
          )}
          {pictures.map(({ url, alt }, i) => (
            <li key={url}>
              <button type="button" class="thumb" aria-pressed={shown === i} aria-label={alt || `Picture ${i + 1}`} onClick={() => setShown(i)}>
                <Picture src={url} alt="" />
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

interface VariantPickerProps {
  product: Product;
  selected: Variant;
  onSelect: (variant: Variant) => void;
}

function VariantPicker({ product, selected, onSelect }: VariantPickerProps) {
  if (product.variants.length < 2) return null;
  const legend = product.options.map(({ name }) => name).join(' and ') || 'Variant';
  return (
    <fieldset class="variants">
      <legend>{legend}: <b>{selected.title}</b></legend>
      <div class="variant-row">
        {product.variants.map((variant) => (
          <label key={variant.sku} class="variant" data-testid={`variant-${variant.sku}`}>
            <input type="radio" name="variant" value={variant.sku} checked={variant.sku === selected.sku} onChange={() => onSelect(variant)} />
            <span class="variant-face">
              <Picture src={variant.image_url} alt="" />
              <span class="variant-name">{variant.title}</span>
              {noteOf(variant.availability) && <span class={`variant-note availability-${variant.availability}`}>{noteOf(variant.availability)}</span>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** Adds the variant to the cart and says how that went. */
function BuyBox({ product, variant }: { product: Product; variant: Variant }) {
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => setError(null), [variant.sku]);
  const { action, isSoldOut } = offerOf(variant);
  const add = async (): Promise<void> => {
    if (isBusy || isSoldOut) return;
    setIsBusy(true);
    setError(null);
    try {
      await addToCart(variant.sku, 1);
      track('add_to_cart', product.handle);
      announce(`${product.title} is in your cart.`, { href: paths.cart, label: 'View cart' });
    } catch (failure) {
      setError(failure);
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <>
      <button type="button" class="button button-wide" data-testid="add-to-cart" disabled={isSoldOut} aria-disabled={isBusy} onClick={() => void add()}>
        {isBusy ? 'Adding …' : action}
      </button>
      {error !== null && <Problem error={error} doing="cart" onRetry={() => void add()} />}
    </>
  );
}

function Measures({ product, manifest }: { product: Product; manifest: ArManifest | undefined }) {
  const dimensions = manifest?.dimensions_m ?? product.model?.dimensions_m;
  if (!dimensions) return null;
  return (
    <section class="measures" aria-labelledby="measures">
      <h2 id="measures">True size</h2>
      <p class="measure">{dimensionsText(dimensions)}</p>
      <ScaleDrawing dimensions={dimensions} title={product.title} />
    </section>
  );
}

interface ProductPageProps {
  product: Product;
  variant: Variant;
}

function ProductPage({ product, variant }: ProductPageProps) {
  const [viewer, setViewer] = useState<ModelViewerElement | null>(null);
  useEffect(() => {
    if (viewer) track('model_view', product.handle);
  }, [viewer]);
  const manifest = useResource(variant.has_ar ? `ar:${variant.sku}:${currency.value}` : null, (signal) =>
    fetchAr(currency.value, variant.sku, signal),
  );
  const select = (next: Variant): void => navigate(paths.product(product.handle, next.sku), { replace: true });
  return (
    <div class="product">
      <Gallery product={product} variant={variant} manifest={manifest.data} onViewer={setViewer} />
      <div class="product-side">
        <p class="crumb"><a href={paths.category(product.category)}>{product.category.replaceAll('-', ' ')}</a></p>
        <h1>{product.title}</h1>
        {product.subtitle && <p class="lead">{product.subtitle}</p>}
        <p class="product-price">
          <Price money={variant.price} short />
          <span class={`availability availability-${variant.availability}`}>{offerOf(variant).label}</span>
        </p>
        <VariantPicker product={product} selected={variant} onSelect={select} />
        <div class="product-actions">
          <BuyBox product={product} variant={variant} />
          {manifest.data && <RoomButton manifest={manifest.data} handle={product.handle} title={product.title} viewer={viewer} />}
          {manifest.error && <Problem error={manifest.error} doing="browse" onRetry={manifest.reload} />}
        </div>
        <div class="description">
          {product.description.split(/\n{2,}/).map((paragraph) => <p key={paragraph}>{paragraph}</p>)}
        </div>
        <Measures product={product} manifest={manifest.data} />
      </div>
    </div>
  );
}

/** The page while it loads: the frames of what will come. */
function ProductFrame() {
  return (
    <div class="product" aria-hidden="true">
      <div class="gallery"><div class="stage niche" /></div>
      <div class="product-side frame-lines"><i /><i /><i /></div>
    </div>
  );
}

export interface ProductViewProps {
  handle: string;
  variantSku: string;
}

export function ProductView({ handle, variantSku }: ProductViewProps) {
  const product = useResource(`product:${handle}:${currency.value}`, (signal) => fetchProduct(currency.value, handle, signal));
  useTitle(product.data?.title ?? '');
  if (product.error instanceof ApiError && product.error.status === 404) return <NotFoundView />;
  if (product.error) return <Problem error={product.error} doing="browse" onRetry={product.reload} />;
  if (!product.data) return <ProductFrame />;
  const { variants } = product.data;
  const isOnShelf = ({ availability }: Variant): boolean => availability === 'in_stock' || availability === 'low';
  const variant =
    variants.find(({ sku }) => sku === variantSku) ??
    variants.find(isOnShelf) ??
    variants.find((one) => !offerOf(one).isSoldOut) ??
    variants[0];
  return variant ? <ProductPage key={handle} product={product.data} variant={variant} /> : <NotFoundView />;
}
