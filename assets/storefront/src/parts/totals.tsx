import type { Totals } from '../api/types';
import { Price } from './price';

export interface TotalsTableProps {
  totals: Totals;
}

/** Subtotal, shipping, tax, total; as the origin computed them. */
export function TotalsTable({ totals }: TotalsTableProps) {
  return (
    <dl class="totals">
      <div>
        <dt>Pieces</dt>
        <dd><Price money={totals.subtotal} /></dd>
      </div>
      <div>
        <dt>Delivery</dt>
        <dd>{totals.shipping.minor === 0 ? 'Free' : <Price money={totals.shipping} />}</dd>
      </div>
      <div>
        <dt>Tax</dt>
        <dd><Price money={totals.tax} /></dd>
      </div>
      <div class="totals-sum">
        <dt>Total</dt>
        <dd data-testid="total"><Price money={totals.total} /></dd>
      </div>
    </dl>
  );
}
