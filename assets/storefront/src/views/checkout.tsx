import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, isOtherThanShown, isSoldOut } from '../api/problem';
import type { Cart, CheckoutRequest, PaymentMethod } from '../api/types';
import { COUNTRIES, countryName, EMPTY_FORM, FIELD_CHARS_MAX, hasRegions, placeErrors, validate, type CheckoutForm, type FieldErrors, type FieldName } from '../checkout-form';
import { formatMoney, type Money } from '../money';
import { track } from '../events';
import { navigate } from '../navigation';
import { Codes } from '../parts/codes';
import { Field, focusFirstError } from '../parts/field';
import { Problem } from '../parts/notice';
import { Picture } from '../parts/picture';
import { Price } from '../parts/price';
import { ShippingMethods } from '../parts/shipping-methods';
import { TotalsTable } from '../parts/totals';
import { dueOf } from '../quote';
import { paths } from '../router';
import { cart, chooseMethod, forgetCart, refreshCart, setDestination } from '../state/cart';
import { placeOrder } from '../state/orders';
import { signedInAs } from '../state/session';
import { load, save } from '../state/storage';
import { useTitle } from './use-title';

/** How long after the last letter of an address the cart is told where it goes. */
const DESTINATION_WAIT_MS = 500;

const METHODS: { method: PaymentMethod; title: string; text: string }[] = [
  { method: 'success', title: 'Card that is accepted', text: 'Paid at once.' },
  { method: 'requires_action', title: 'Card that asks you back', text: 'The test bank wants your approval first (3-D Secure).' },
  { method: 'late', title: 'Bank transfer', text: 'Confirmed a little later; the order page waits for it.' },
  { method: 'decline', title: 'Card that is declined', text: 'The bank says no. Nothing is charged.' },
];

function requestOf({ email, method, ...address }: CheckoutForm, due: Money): CheckoutRequest {
  const kept = { ...address, region: hasRegions(address.country) ? address.region : '' };
  const trimmed = Object.fromEntries(Object.entries(kept).map(([name, value]) => [name, value.trim()]));
  return {
    email: email.trim(),
    shipping_address: trimmed as unknown as CheckoutRequest['shipping_address'],
    payment: { provider: 'test', method },
    expected_due: due,
  };
}

function countryNames(): { code: string; name: string }[] {
  return COUNTRIES.map((code) => ({ code, name: countryName(code) })).sort((a, b) => a.name.localeCompare(b.name));
}

interface AddressFieldsProps {
  form: CheckoutForm;
  errors: FieldErrors;
  onChange: (name: FieldName, value: string) => void;
}

function AddressFields({ form, errors, onChange }: AddressFieldsProps) {
  const field = (name: FieldName, label: string, autocomplete: string, isRequired = true) => (
    <Field
      name={name}
      label={label}
      type={name === 'email' ? 'email' : 'text'}
      autocomplete={autocomplete}
      required={isRequired}
      maxLength={FIELD_CHARS_MAX}
      value={form[name]}
      error={errors[name]}
      onInput={(event) => onChange(name, event.currentTarget.value)}
    />
  );
  return (
    <>
      <fieldset class="group">
        <legend>Contact</legend>
        {field('email', 'Email', 'email')}
      </fieldset>
      <fieldset class="group">
        <legend>Delivery</legend>
        {field('name', 'Full name', 'shipping name')}
        {field('line1', 'Street and number', 'shipping address-line1')}
        {field('line2', 'Apartment, floor (optional)', 'shipping address-line2', false)}
        <div class="field-row">
          {field('postal_code', 'Postal code', 'shipping postal-code')}
          {field('city', 'City', 'shipping address-level2')}
        </div>
        <p class="field">
          <label for="country">Country</label>
          <select
            id="country"
            name="country"
            autocomplete="shipping country"
            aria-invalid={errors.country ? 'true' : undefined}
            value={form.country}
            onChange={(event) => onChange('country', event.currentTarget.value)}
          >
            {countryNames().map(({ code, name }) => <option key={code} value={code}>{name}</option>)}
          </select>
          {errors.country && <span class="field-error">{errors.country}</span>}
        </p>
        {hasRegions(form.country) && field('region', 'State or province', 'shipping address-level1')}
      </fieldset>
    </>
  );
}

interface PaymentChoiceProps {
  method: PaymentMethod;
  onChange: (method: PaymentMethod) => void;
}

function PaymentChoice({ method: chosen, onChange }: PaymentChoiceProps) {
  return (
    <fieldset class="group">
      <legend>Payment</legend>
      <p class="test-note">Test payments: no card is asked for, no money moves. Choose how the bank should behave.</p>
      <div class="methods">
        {METHODS.map(({ method, title, text }) => (
          <label key={method} class="method">
            <input type="radio" name="method" value={method} checked={method === chosen} data-testid={`payment-${method}`} onChange={() => onChange(method)} />
            <span><b>{title}</b><span class="muted">{text}</span></span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function OrderSummary({ content }: { content: Cart }) {
  return (
    <aside class="summary" aria-label="Your order">
      <ul class="summary-lines">
        {content.lines.map((line) => (
          <li key={line.id}>
            <span class="niche"><Picture src={line.image_url} alt="" /></span>
            <span>{line.title}<span class="muted">{[line.variant_title, `× ${line.quantity}`].filter(Boolean).join(' · ')}</span></span>
            <Price money={line.line_total} />
          </li>
        ))}
      </ul>
      <TotalsTable totals={content.totals} quote={content.quote} />
      <Codes content={content} />
      <p class="small"><a href={paths.cart}>Change the cart</a></p>
    </aside>
  );
}

/** The form as it was left in this tab's earlier visit; never the way of paying. */
function initialForm(): CheckoutForm {
  return { ...EMPTY_FORM, ...load<Partial<CheckoutForm>>('address'), ...(signedInAs.value ? { email: signedInAs.value } : {}), method: 'success' };
}

function CheckoutPage({ content }: { content: Cart }) {
  const [form, setForm] = useState(initialForm);
  const [errors, setErrors] = useState<FieldErrors>({});
  const [failure, setFailure] = useState<unknown>(null);
  const [isBusy, setIsBusy] = useState(false);
  const element = useRef<HTMLFormElement>(null);
  useEffect(() => track('checkout_start'), []);
  // Taxes and deliveries follow the address: the cart is told once a moment has passed without typing.
  const { country, postal_code } = form;
  const region = hasRegions(country) ? form.region.trim() : '';
  useEffect(() => {
    const timer = setTimeout(() => {
      setDestination({ country, region, postal_code }).catch(() => undefined);
    }, DESTINATION_WAIT_MS);
    return () => clearTimeout(timer);
  }, [country, region, postal_code]);
  const choose = (method: string): void => {
    chooseMethod(method).catch(setFailure);
  };
  const failed = (error: unknown): void => {
    setFailure(error);
    if (!(error instanceof ApiError)) return;
    setErrors(placeErrors(error.errors).fields);
    focusFirstError(element.current);
    if (isSoldOut(error) || isOtherThanShown(error) || error.status === 404) refreshCart().catch(() => undefined);
  };
  const submit = async (): Promise<void> => {
    if (isBusy) return;
    const found = validate(form);
    setErrors(found);
    setFailure(null);
    if (Object.keys(found).length > 0) return focusFirstError(element.current);
    setIsBusy(true);
    try {
      const { method: _, ...address } = form;
      save('address', address);
      const answer = await placeOrder(content.id, requestOf(form, dueOf(content)));
      track('order_placed');
      navigate(paths.order(answer.order_id), { replace: true });
      forgetCart();
    } catch (error) {
      failed(error);
    } finally {
      setIsBusy(false);
    }
  };
  const change = (name: FieldName, value: string): void => {
    setForm((old) => ({ ...old, [name]: value }));
    setErrors(({ [name]: _, ...rest }) => rest);
  };
  return (
    <form
      class="with-summary"
      ref={element}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <div class="checkout-fields">
        <AddressFields form={form} errors={errors} onChange={change} />
        {content.quote && <ShippingMethods quote={content.quote} onChoose={choose} />}
        <PaymentChoice method={form.method} onChange={(method) => setForm((old) => ({ ...old, method }))} />
        {failure !== null && <Problem error={failure} doing="pay" onRetry={() => void submit()} />}
        <button type="submit" class="button button-wide" data-testid="place-order" aria-disabled={isBusy}>
          {isBusy ? 'Placing your order …' : dueOf(content).minor === 0 ? 'Place the order' : `Pay ${formatMoney(dueOf(content))}`}
        </button>
      </div>
      <OrderSummary content={content} />
    </form>
  );
}

export function CheckoutView() {
  useTitle('Checkout');
  useEffect(() => {
    refreshCart().catch(() => undefined);
  }, []);
  const content = cart.value;
  return (
    <>
      <div class="page-head"><h1>Checkout</h1></div>
      {content && content.lines.length > 0 ? (
        <CheckoutPage content={content} />
      ) : (
        <p class="empty-line">There is nothing to pay for. <a href={paths.search()}>See every piece</a></p>
      )}
    </>
  );
}
