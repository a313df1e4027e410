import type { Quote, ShippingOption } from '../api/types';
import { daysText, reasonText } from '../quote';
import { Price } from './price';

export interface ShippingMethodsProps {
  quote: Quote;
  onChoose: (method: string) => void;
}

/** Ways of delivery to choose from; nothing where there is no choice. */
export function ShippingMethods({ quote, onChoose }: ShippingMethodsProps) {
  if (quote.shipping_options.length < 2) return null;
  const chosen = quote.shipping.method;
  const option = ({ method, title, offer }: ShippingOption) => (
    <label key={method} class="method">
      <input
        type="radio"
        name="shipping"
        value={method}
        checked={method === chosen}
        disabled={offer.kind === 'unavailable'}
        data-testid={`shipping-${method}`}
        onChange={() => onChoose(method)}
      />
      <span>
        <b>{title}{offer.kind === 'available' && <> · {offer.price.minor === 0 ? 'Free' : <Price money={offer.price} />}</>}</b>
        <span class="muted">{offer.kind === 'available' ? daysText(offer.days) : reasonText(offer.why)}</span>
      </span>
    </label>
  );
  return (
    <fieldset class="group">
      <legend>Delivery method</legend>
      <div class="methods">{quote.shipping_options.map(option)}</div>
    </fieldset>
  );
}
