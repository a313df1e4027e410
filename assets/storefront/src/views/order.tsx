import { useEffect, useState } from 'preact/hooks';
import { ApiError, networkError } from '../api/problem';
import type { Address, Order } from '../api/types';
import { countryName } from '../checkout-form';
import { navigate } from '../navigation';
import { isSettling, orderStatus, paymentStatus, pollDelayMs, type StatusText } from '../order-status';
import { LineNote } from '../parts/line-note';
import { Problem } from '../parts/notice';
import { OrderLife } from '../parts/order-life';
import { PayerAction } from '../parts/payer-action';
import { Picture } from '../parts/picture';
import { Price } from '../parts/price';
import { TotalsTable } from '../parts/totals';
import { useKeptHold } from '../parts/use-kept-hold';
import { useRun } from '../parts/use-run';
import { dueOf } from '../quote';
import { paths } from '../router';
import { awaitedNote } from '../sale';
import { cart, fillNewCart, refreshCart } from '../state/cart';
import { answerChallenge, fetchOrder } from '../state/orders';
import { useTitle } from './use-title';

/** Looks at a settling order before giving up watching: about four minutes. */
const LOOKS_MAX = 20;

interface Watched {
  order: Order | null;
  error: unknown;
  /** Watching ended although the payment has not settled. */
  isTiredOfWaiting: boolean;
  look: () => void;
  /** Takes an order as a step left it. */
  take: (order: Order) => void;
}

/** Reads the order, and again with growing pauses while its payment settles by itself. */
function useOrder(id: string): Watched {
  const [order, setOrder] = useState<Order | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [looks, setLooks] = useState(0);
  const [round, setRound] = useState(0);
  useEffect(() => {
    let wanted = true;
    fetchOrder(id).then(
      (next) => {
        if (!wanted) return;
        setOrder(next);
        setError(null);
      },
      (failure: unknown) => wanted && setError(failure),
    );
    return () => {
      wanted = false;
    };
  }, [id, round]);
  useEffect(() => {
    if (!order || !isSettling(order.payment_status) || looks >= LOOKS_MAX) return undefined;
    const timer = setTimeout(() => {
      setLooks((n) => n + 1);
      setRound((n) => n + 1);
    }, pollDelayMs(looks));
    return () => clearTimeout(timer);
  }, [order, error, looks]);
  const look = (): void => {
    setLooks(0);
    setRound((n) => n + 1);
  };
  return { order, error, isTiredOfWaiting: looks >= LOOKS_MAX && order !== null && isSettling(order.payment_status), look, take: setOrder };
}

interface StatusProps {
  name: string;
  testId: string;
  raw: string;
  text: StatusText;
}

function Status({ name, testId, raw, text }: StatusProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={`status status-${text.tone}`} data-testid={testId} data-status={raw}>{text.label}</dd>
    </div>
  );
}

interface ChallengeProps {
  order: Order;
  onDone: () => void;
}

/** What a bank would show in its own window; here it is in the page and says that it is a test. */
function BankChallenge({ order, onDone }: ChallengeProps) {
  const { run, isBusy: busy, failure } = useRun();
  useKeptHold(order.id);
  const answer = (action: 'approve' | 'reject'): Promise<void> => run(async () => {
    await answerChallenge(order.id, action);
    onDone();
  });
  return (
    <section class="bank" aria-labelledby="bank-title">
      <p class="bank-mark">Test bank · 3-D Secure</p>
      <h2 id="bank-title">Is this you?</h2>
      <p>Vitrine asks for <b><Price money={dueOf(order)} /></b>. This stands in for your bank’s own page; no money moves.</p>
      {failure !== null && <Problem error={failure} doing="pay" />}
      <p class="actions">
        <button type="button" class="button" data-testid="approve-payment" aria-disabled={busy} onClick={() => void answer('approve')}>Approve the payment</button>
        <button type="button" class="button button-quiet" data-testid="reject-payment" aria-disabled={busy} onClick={() => void answer('reject')}>Reject</button>
      </p>
    </section>
  );
}

/** What the payer has to do, where there is something. */
function Waiting({ order, look, take }: { order: Order } & Pick<Watched, 'look' | 'take'>) {
  if (!order.next_action) return null;
  if (order.next_action.type === 'approve') return <BankChallenge order={order} onDone={look} />;
  return <PayerAction order={order} onChange={take} />;
}

/** After a payment that failed: the pieces go into a cart again. */
function BuyAgain({ order }: { order: Order }) {
  const { run, failure } = useRun();
  const again = (): Promise<void> => run(async () => {
    await fillNewCart(order.lines);
    navigate(paths.checkout);
  });
  return (
    <div class="buy-again">
      <p>Nothing was charged, and the pieces are back on the shelf.</p>
      {failure !== null && <Problem error={failure} doing="cart" onRetry={() => void again()} />}
      <button type="button" class="button" onClick={() => void again()}>Try again with these pieces</button>
    </div>
  );
}

function AddressLines({ address }: { address: Address }) {
  return (
    <address>
      {[address.name, address.line1, address.line2, `${address.postal_code} ${address.city}`, countryName(address.country)]
        .filter((line) => line?.trim())
        .map((line) => <span key={line}>{line}</span>)}
    </address>
  );
}

function longDay(moment: string): string {
  return new Date(moment).toLocaleDateString(undefined, { dateStyle: 'long' });
}

const HEADLINES: Record<StatusText['tone'], string> = {
  good: 'Thank you. It is yours.',
  waiting: 'Almost yours.',
  bad: 'This order was not paid.',
  neutral: 'Your order',
};

function OrderPage({ order, look, take, isTiredOfWaiting }: Omit<Watched, 'order' | 'error'> & { order: Order }) {
  const payment = paymentStatus(order.payment_status);
  return (
    <>
      <div class="page-head">
        <div>
          <h1>{HEADLINES[payment.tone]}</h1>
          <p class="lead">Order {order.number}, {longDay(order.created_at)}</p>
        </div>
      </div>
      <div class="with-summary">
        <div>
          <dl class="statuses" aria-live="polite">
            <Status name="Order" testId="order-status" raw={order.status} text={orderStatus(order.status)} />
            <Status name="Payment" testId="payment-status" raw={order.payment_status} text={payment} />
          </dl>
          {order.payment_status === 'requires_action' && <Waiting order={order} look={look} take={take} />}
          {isSettling(order.payment_status) && (
            <p class="settling">
              {isTiredOfWaiting ? 'The bank takes its time. You can close this page; the order goes on without it. ' : 'The bank has not confirmed yet. This page looks again by itself.'}
              {isTiredOfWaiting && <button type="button" class="link" onClick={look}>Look again</button>}
            </p>
          )}
          {payment.tone === 'bad' && <BuyAgain order={order} />}
          <OrderLife order={order} onChange={take} />
          <section class="order-facts">
            <div><h2>Contact</h2><p>{order.email}</p></div>
            {order.invoice && <div data-testid="invoice-number"><h2>Invoice</h2><p>{order.invoice.number}, {longDay(order.invoice.issued_at)}</p></div>}
            {order.shipping_address && <div><h2>Delivery</h2><AddressLines address={order.shipping_address} /></div>}
          </section>
        </div>
        <aside class="summary" aria-label="What you ordered">
          <ul class="summary-lines">
            {order.lines.map((line) => (
              <li key={line.id ?? line.sku}>
                <span class="niche"><Picture src={line.image_url} alt="" /></span>
                <span>{line.title}<span class="muted">{[line.variant_title, `× ${line.quantity}`].filter(Boolean).join(' · ')}</span><LineNote text={awaitedNote(order, line)} /></span>
                <Price money={line.line_total} />
              </li>
            ))}
          </ul>
          <TotalsTable totals={order.totals} quote={order.quote} />
        </aside>
      </div>
    </>
  );
}

export function OrderView({ id }: { id: string }) {
  useTitle('Your order');
  const { order, error, look, take, isTiredOfWaiting } = useOrder(id);
  useEffect(() => {
    // The cart of a declined attempt may still be open at the origin; the count in the header follows the truth.
    if (cart.value) refreshCart().catch(() => undefined);
  }, [id]);
  if (order) {
    return (
      <>
        {error !== null && <Problem error={error} doing="browse" onRetry={look} />}
        <OrderPage order={order} look={look} take={take} isTiredOfWaiting={isTiredOfWaiting} />
      </>
    );
  }
  if (error === null) return <p class="empty-line" role="status">Looking up your order …</p>;
  const problem = error instanceof ApiError ? error : networkError();
  return (
    <>
      <div class="page-head"><h1>Your order</h1></div>
      <Problem error={problem} doing="browse" onRetry={look} />
      {(problem.status === 401 || problem.status === 403 || problem.status === 404) && (
        <p>An order opens in the browser that placed it, or in the account that it belongs to. <a href={paths.login(paths.order(id))}>Sign in</a></p>
      )}
    </>
  );
}
