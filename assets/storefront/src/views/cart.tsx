import { useEffect, useState } from 'preact/hooks';
import type { Cart, Line } from '../api/types';
import { Codes } from '../parts/codes';
import { GlassCase } from '../parts/glass-case';
import { LineNote } from '../parts/line-note';
import { Problem } from '../parts/notice';
import { Picture } from '../parts/picture';
import { Price } from '../parts/price';
import { TotalsTable } from '../parts/totals';
import type { Money } from '../money';
import { paths } from '../router';
import { lineNote } from '../sale';
import { announce } from '../state/announce';
import { cart, refreshCart, setQuantity } from '../state/cart';
import { useTitle } from './use-title';

interface CartLineProps {
  line: Line;
  /** What a piece cost when the shopper was told last, where that has changed. */
  was: Money | undefined;
  isBusy: boolean;
  onQuantity: (line: Line, quantity: number) => void;
}

function CartLine({ line, was, isBusy, onQuantity }: CartLineProps) {
  const step = (by: number, label: string, sign: string) => (
    <button type="button" aria-label={label} aria-disabled={isBusy} onClick={() => onQuantity(line, line.quantity + by)}>{sign}</button>
  );
  return (
    <li class="line" data-testid="cart-line" data-sku={line.sku}>
      <a class="line-picture niche" href={paths.product(line.handle, line.sku)} tabIndex={-1} aria-hidden="true">
        <Picture src={line.image_url} alt="" />
      </a>
      <div class="line-text">
        <h2><a href={paths.product(line.handle, line.sku)}>{line.title}</a></h2>
        {line.variant_title && <p class="muted">{line.variant_title}</p>}
        <p class="muted"><Price money={line.unit_price} /> each</p>
        <LineNote text={lineNote(line)} />
        {was && <p class="price-change" data-testid="price-change">Was <Price money={was} /> when you put it in.</p>}
      </div>
      <div class="stepper" role="group" aria-label={`Quantity of ${line.title}`}>
        {step(-1, line.quantity === 1 ? 'Remove' : 'One less', '−')}
        <span data-testid="line-quantity">{line.quantity}</span>
        {step(1, 'One more', '+')}
      </div>
      <p class="line-total"><Price money={line.line_total} /></p>
      <button type="button" class="link line-remove" aria-label={`Remove ${line.title}`} onClick={() => onQuantity(line, 0)}>Remove</button>
    </li>
  );
}

/** What a line promises once the cart has answered. */
function noteAfter({ id }: Line): string | null {
  const line = cart.value?.lines.find((own) => own.id === id);
  return line ? lineNote(line) : null;
}

function EmptyCart() {
  return (
    <div class="empty">
      <GlassCase />
      <h1>Your cart is empty</h1>
      <p>Pieces that you add wait here. They are yours once they are paid.</p>
      <p class="actions"><a class="button" href={paths.search()}>See every piece</a></p>
    </div>
  );
}

function FilledCart({ content }: { content: Cart }) {
  const [isBusy, setIsBusy] = useState(false);
  const [failed, setFailed] = useState<{ error: unknown; retry: () => void } | null>(null);
  const change = async (line: Line, quantity: number): Promise<void> => {
    if (isBusy) return;
    setIsBusy(true);
    setFailed(null);
    try {
      await setQuantity(line.id, quantity);
      announce(quantity === 0 ? `${line.title} is out of your cart.` : [`${line.title}: ${quantity} in your cart.`, noteAfter(line)].filter(Boolean).join(' '));
    } catch (error) {
      setFailed({ error, retry: () => void change(line, quantity) });
    } finally {
      setIsBusy(false);
    }
  };
  const was = (line: Line): Money | undefined => content.price_changes?.find((change) => change.line === line.id)?.old;
  return (
    <>
      <div class="page-head"><h1>Cart</h1></div>
      {failed && <Problem error={failed.error} doing="cart" onRetry={failed.retry} />}
      <div class="with-summary">
        <ul class="lines">
          {content.lines.map((line) => <CartLine key={line.id} line={line} was={was(line)} isBusy={isBusy} onQuantity={(one, n) => void change(one, n)} />)}
        </ul>
        <aside class="summary" aria-label="Totals">
          <TotalsTable totals={content.totals} quote={content.quote} />
          <Codes content={content} />
          <a class="button button-wide" href={paths.checkout} data-testid="checkout-button">Go to checkout</a>
          <p class="muted small">Stock is held for you when you pay.</p>
        </aside>
      </div>
    </>
  );
}

export function CartView() {
  useTitle('Cart');
  const [error, setError] = useState<unknown>(null);
  const load = (): void => {
    setError(null);
    refreshCart().catch(setError);
  };
  useEffect(load, []);
  const content = cart.value;
  return (
    <>
      {error !== null && <Problem error={error} doing="cart" onRetry={load} />}
      {content && content.lines.length > 0 ? <FilledCart content={content} /> : <EmptyCart />}
    </>
  );
}
