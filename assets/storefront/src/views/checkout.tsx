import { Fragment, type Ref } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { fetchPaymentMethods } from '../api/payment';
import { ApiError, isOtherThanShown, isSoldOut } from '../api/problem';
import type { Address, Cart, CheckoutAnswer, PaymentChoice, PaymentMethods } from '../api/types';
import { COUNTRIES, countryName, EMPTY_FORM, FIELD_CHARS_MAX, hasRegions, placeErrors, validate, type CheckoutForm, type FieldErrors, type FieldName } from '../checkout-form';
import { track } from '../events';
import { goesOn, type CheckoutAttempt } from '../idempotency';
import { formatMoney, type Money } from '../money';
import { navigate } from '../navigation';
import { Codes } from '../parts/codes';
import { Field, focusFirstError } from '../parts/field';
import { LineNote } from '../parts/line-note';
import { Problem } from '../parts/notice';
import { Picture } from '../parts/picture';
import { Price } from '../parts/price';
import { ShippingMethods } from '../parts/shipping-methods';
import { StripeField, type FieldHandle } from '../parts/stripe-field';
import { TotalsTable } from '../parts/totals';
import { useRun } from '../parts/use-run';
import { chosenWay, choiceOf, choiceOfNothing, isTest, waysOf, type Way } from '../payment';
import { dueOf } from '../quote';
import { paths } from '../router';
import { lineNote, shownPromises } from '../sale';
import { cart, chooseMethod, forgetCart, refreshCart, setDestination } from '../state/cart';
import { attempt, openAttempt, placeOrder } from '../state/orders';
import { signedInAs } from '../state/session';
import { load, save } from '../state/storage';
import { useTitle } from './use-title';

/** How long after the last letter of an address the cart is told where it goes. */
const DESTINATION_WAIT_MS = 500;

function addressOf({ email: _, way: __, ...address }: CheckoutForm): Address {
  const kept = { ...address, region: hasRegions(address.country) ? address.region : '' };
  return Object.fromEntries(Object.entries(kept).map(([name, value]) => [name, value.trim()])) as unknown as Address;
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

interface WaysToPayProps {
  ways: Way[];
  chosen: Way | undefined;
  due: Money;
  handle: Ref<FieldHandle>;
  onChange: (id: string) => void;
}

function WaysToPay({ ways, chosen, due, handle, onChange }: WaysToPayProps) {
  const isAlone = ways.length === 1;
  const field = chosen?.field && due.minor > 0 && <StripeField field={chosen.field} due={due} handle={handle} />;
  return (
    <fieldset class="group">
      <legend>Payment</legend>
      {ways.length === 0 && <p class="test-note" role="status" data-testid="no-way-to-pay">This shop cannot take a payment on this page at the moment. Your cart stays as it is.</p>}
      {isTest(ways) && <p class="test-note">Test payments: no money moves, whatever you choose. Choose how the bank should behave.</p>}
      {!isAlone && ways.length > 0 && (
        <div class="methods">
          {ways.map(({ id, title, text }) => (
            <Fragment key={id}>
              <label class="method">
                <input type="radio" name="way" value={id} checked={id === chosen?.id} data-testid={`payment-${id}`} onChange={() => onChange(id)} />
                <span><b>{title}</b><span class="muted">{text}</span></span>
              </label>
              {id === chosen?.id && field}
            </Fragment>
          ))}
        </div>
      )}
      {isAlone && (
        <>
          <p class="muted">{ways[0]?.text}</p>
          {field && <div class="methods">{field}</div>}
        </>
      )}
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
            <span>{line.title}<span class="muted">{[line.variant_title, `× ${line.quantity}`].filter(Boolean).join(' · ')}</span><LineNote text={lineNote(line)} /></span>
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
  return { ...EMPTY_FORM, ...load<Partial<CheckoutForm>>('address'), ...(signedInAs.value ? { email: signedInAs.value } : {}), way: '' };
}

/** The order is placed: on to its page, where a payer who has something left to do is told so. */
function goToOrder(cartId: string, answer: CheckoutAnswer): void {
  track('order_placed');
  navigate(paths.order(answer.order_id), { replace: true });
  if (cart.value?.id === cartId) forgetCart();
}

interface CheckoutPageProps {
  content: Cart;
  /** What became of an attempt before this visit. */
  earlier: unknown;
  methods: PaymentMethods;
  /** An attempt whose outcome is not known must end before there is another. */
  onUnknown: () => void;
}

function CheckoutPage({ content, earlier, methods, onUnknown }: CheckoutPageProps) {
  const [form, setForm] = useState(initialForm);
  const [errors, setErrors] = useState<FieldErrors>({});
  const [failure, setFailure] = useState<unknown>(earlier);
  const [isBusy, setIsBusy] = useState(false);
  const element = useRef<HTMLFormElement>(null);
  const field = useRef<FieldHandle>(null);
  const ways = useMemo(() => waysOf(methods), [methods]);
  const way = chosenWay(ways, form.way);
  const due = dueOf(content);
  useEffect(() => track('checkout_start'), []);
  // Taxes and deliveries follow the address: the cart is told once a moment has passed without typing.
  const { country, postal_code } = form;
  const region = hasRegions(country) ? form.region.trim() : '';
  const isPaying = useRef(false);
  const isUntold = useRef(false);
  const tellDestination = (): void => {
    // A cart that is being bought, or may have been, takes nothing more; it is bought only at the total that was shown.
    isUntold.current = isPaying.current || openAttempt() !== null;
    if (!isUntold.current) setDestination({ country, region, postal_code }).catch(() => undefined);
  };
  useEffect(() => {
    const timer = setTimeout(tellDestination, DESTINATION_WAIT_MS);
    return () => clearTimeout(timer);
  }, [country, region, postal_code]);
  const choose = (method: string): void => {
    chooseMethod(method).catch(setFailure);
  };
  const failed = (error: unknown): void => {
    if (openAttempt()) return onUnknown();
    setFailure(error);
    if (!(error instanceof ApiError)) return;
    setErrors(placeErrors(error.errors).fields);
    focusFirstError(element.current);
    if (isSoldOut(error) || isOtherThanShown(error) || error.status === 404) refreshCart().catch(() => undefined);
  };
  /** How it is paid; `null` when what was typed into the provider's field is not fit, which the field says. */
  const payment = async (): Promise<PaymentChoice | null> => {
    if (!way) return due.minor === 0 ? choiceOfNothing(methods) : null;
    if (!way.field || due.minor === 0) return choiceOf(way, null);
    const token = (await field.current?.token(form.email.trim(), addressOf(form))) ?? null;
    return token === null ? null : choiceOf(way, token);
  };
  const submit = async (): Promise<void> => {
    if (isBusy) return;
    // Begun in another tab, or before this page was drawn.
    if (openAttempt()) return onUnknown();
    const found = validate(form);
    setErrors(found);
    setFailure(null);
    if (Object.keys(found).length > 0) return focusFirstError(element.current);
    setIsBusy(true);
    isPaying.current = true;
    try {
      const { way: _, ...address } = form;
      save('address', address);
      const choice = await payment();
      if (choice === null) return;
      const shown = { expected_due: due, expected_promises: shownPromises(content.lines) };
      const request = { email: form.email.trim(), shipping_address: addressOf(form), payment: choice, ...shown };
      const answer = await placeOrder(content.id, request);
      isUntold.current = false;
      goToOrder(content.id, answer);
    } catch (error) {
      failed(error);
    } finally {
      isPaying.current = false;
      if (isUntold.current) tellDestination();
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
        <WaysToPay ways={ways} chosen={way} due={due} handle={field} onChange={(id) => setForm((old) => ({ ...old, way: id }))} />
        {failure !== null && <Problem error={failure} doing="pay" onRetry={() => void submit()} />}
        <button type="submit" class="button button-wide" data-testid="place-order" aria-disabled={isBusy || (!way && due.minor > 0)}>
          {isBusy ? 'Placing your order …' : due.minor === 0 ? 'Place the order' : `Pay ${formatMoney(due)}`}
        </button>
      </div>
      <OrderSummary content={content} />
    </form>
  );
}

interface UnfinishedProps {
  unfinished: CheckoutAttempt;
  /** It has ended without an order. */
  onFailed: (error: unknown) => void;
}

/** An attempt to pay whose outcome is not known: it is sent once more as it was, which buys once and tells what became of it. */
function Unfinished({ unfinished, onFailed }: UnfinishedProps) {
  const { run, isBusy, failure } = useRun();
  const goOn = (): Promise<void> => run(async () => {
    try {
      goToOrder(unfinished.cart, await attempt(unfinished));
    } catch (error) {
      if (openAttempt()) throw error;
      onFailed(error);
    }
  });
  useEffect(() => {
    if (goesOn(unfinished, Date.now())) void goOn();
  }, []);
  return (
    <section class="bank" aria-labelledby="unfinished-title" data-testid="unfinished-payment">
      <h2 id="unfinished-title">Your last try to pay was interrupted</h2>
      <p role="status">{isBusy ? 'Finding out what became of your order …' : 'Whether the order was placed is not known yet. Finding out goes on with that very order: you cannot pay twice.'}</p>
      {failure !== null && <Problem error={failure} doing="pay" />}
      <p class="actions">
        <button type="button" class="button" data-testid="find-out" aria-disabled={isBusy} onClick={() => void goOn()}>Find out</button>
      </p>
    </section>
  );
}

/** The form, once it is known how this shop can be paid. */
function Form({ content, earlier, onUnknown }: Omit<CheckoutPageProps, 'methods'>) {
  const [methods, setMethods] = useState<PaymentMethods | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const read = (): void => {
    setFailure(null);
    fetchPaymentMethods().then(setMethods, setFailure);
  };
  useEffect(read, []);
  if (methods) return <CheckoutPage content={content} earlier={earlier} methods={methods} onUnknown={onUnknown} />;
  if (failure !== null) return <Problem error={failure} doing="pay" onRetry={read} />;
  return <p class="empty-line" role="status">Asking how this shop can be paid …</p>;
}

export function CheckoutView() {
  useTitle('Checkout');
  const [unfinished, setUnfinished] = useState(openAttempt);
  const [earlier, setEarlier] = useState<unknown>(null);
  useEffect(() => {
    refreshCart().catch(() => undefined);
  }, [unfinished]);
  const ended = (error: unknown): void => {
    setEarlier(error);
    setUnfinished(null);
  };
  const content = cart.value;
  return (
    <>
      <div class="page-head"><h1>Checkout</h1></div>
      {unfinished ? (
        <Unfinished unfinished={unfinished} onFailed={ended} />
      ) : content && content.lines.length > 0 ? (
        <Form content={content} earlier={earlier} onUnknown={() => setUnfinished(openAttempt())} />
      ) : (
        <>
          {earlier !== null && <Problem error={earlier} doing="pay" />}
          <p class="empty-line">There is nothing to pay for. <a href={paths.search()}>See every piece</a></p>
        </>
      )}
    </>
  );
}
