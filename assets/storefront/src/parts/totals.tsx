import type { Quote, Totals } from '../api/types';
import { rateText } from '../quote';
import { Price } from './price';

export interface TotalsTableProps {
  totals: Totals;
  quote?: Quote | null | undefined;
}

/** Subtotal, discounts, shipping, taxes, total, and what is left to pay; as the origin computed them. */
export function TotalsTable({ totals, quote }: TotalsTableProps) {
  // What prices contain is no addend: it says so. A shop without rules of its own sells with the tax in its prices.
  const isContained = quote?.price_mode !== 'exclusive';
  const named = quote?.taxes.length ? quote.taxes.map((tax) => ({ name: `${tax.name} ${rateText(tax.rate)}`, amount: tax.amount })) : [{ name: 'tax', amount: totals.tax }];
  const taxes = named.map((tax) => ({ ...tax, name: isContained ? `Including ${tax.name}` : tax.name }));
  const cards = totals.gift_cards && totals.gift_cards.minor > 0 ? totals.gift_cards : null;
  return (
    <dl class="totals">
      <div>
        <dt>Pieces</dt>
        <dd><Price money={totals.subtotal} /></dd>
      </div>
      <div>
        <dt>{quote?.shipping.title ?? 'Delivery'}</dt>
        <dd>{quote?.shipping.kind === 'not_chosen' ? 'Choose at checkout' : totals.shipping.minor === 0 ? 'Free' : <Price money={totals.shipping} />}</dd>
      </div>
      {quote?.promotions.map((one) => (
        <div key={one.promotion} data-testid="discount">
          <dt>{one.title}</dt>
          <dd>−<Price money={one.amount} /></dd>
        </div>
      ))}
      {taxes.map((tax) => (
        <div key={tax.name} data-testid="tax">
          <dt>{tax.name}</dt>
          <dd><Price money={tax.amount} /></dd>
        </div>
      ))}
      <div class="totals-sum">
        <dt>Total</dt>
        <dd data-testid="total"><Price money={totals.total} /></dd>
      </div>
      {cards && (
        <div>
          <dt>Gift cards</dt>
          <dd data-testid="gift-cards">−<Price money={cards} /></dd>
        </div>
      )}
      {cards && totals.due && (
        <div class="totals-sum">
          <dt>To pay</dt>
          <dd data-testid="due"><Price money={totals.due} /></dd>
        </div>
      )}
    </dl>
  );
}
