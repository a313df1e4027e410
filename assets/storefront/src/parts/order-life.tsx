// What becomes of an order after it was paid: parcels, returns, refunds, and what its shopper may do.

import type { Line, Order, PiecesOf } from '../api/types';
import { parcelStatus, refundStatus, returnStatus, RETURN_REASONS, type StatusText } from '../order-status';
import { announce } from '../state/announce';
import { askOrder, fetchInvoice, fetchOrder, type OrderWish } from '../state/orders';
import { Problem } from './notice';
import { Price } from './price';
import { useRun } from './use-run';

export interface OrderLifeProps {
  order: Order;
  onChange: (order: Order) => void;
}

/** Longest time that the browser needs to open a file that was handed to it. */
const FILE_KEPT_MS = 60_000;

function titleOf(lines: Line[], id: string): string {
  return lines.find((line) => line.id === id)?.title ?? 'A piece';
}

function Badge({ text }: { text: StatusText }) {
  return <p class={`status status-${text.tone}`}>{text.label}</p>;
}

function Pieces({ order, lines }: { order: Order; lines: PiecesOf[] }) {
  return <p class="muted">{lines.map(({ line, pieces }) => `${titleOf(order.lines, line)} × ${pieces}`).join(', ')}</p>;
}

function Parcels({ order }: { order: Order }) {
  if (!order.fulfilments?.length) return null;
  return (
    <section data-testid="parcels">
      <h2>Parcels</h2>
      <ul>
        {order.fulfilments.map(({ id, status, lines, tracking }) => (
          <li key={id}>
            <Badge text={parcelStatus(status)} />
            <Pieces order={order} lines={lines} />
            {tracking && (
              <p>
                {tracking.carrier}{' '}
                {tracking.url ? <a href={tracking.url} rel="noreferrer">{tracking.number ?? 'Follow it'}</a> : tracking.number}
              </p>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Refunds({ order }: { order: Order }) {
  if (!order.refunds?.length) return null;
  return (
    <section data-testid="refunds">
      <h2>Refunds</h2>
      <ul>
        {order.refunds.map(({ id, status, amount }) => (
          <li key={id}><Badge text={refundStatus(status)} /><Price money={amount} /></li>
        ))}
      </ul>
    </section>
  );
}

interface AskProps {
  ask: (wish: OrderWish) => void;
  busy: boolean;
}

function Returns({ order, ask, busy }: { order: Order } & AskProps) {
  if (!order.returns?.length) return null;
  const canDrop = (id: string): boolean => order.next_steps?.some((own) => own.step === 'cancel_return' && own.id === id) ?? false;
  return (
    <section data-testid="returns">
      <h2>Returns</h2>
      <ul>
        {order.returns.map(({ id, status, lines }) => (
          <li key={id}>
            <Badge text={returnStatus(status)} />
            <Pieces order={order} lines={lines.map(({ line, requested }) => ({ line, pieces: requested }))} />
            {canDrop(id) && <button type="button" class="link" aria-disabled={busy} onClick={() => ask({ step: 'cancel_return', id })}>Keep it after all</button>}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** How many of each line go back, and why. */
function ReturnForm({ order, lines, ask, busy }: { order: Order; lines: PiecesOf[] } & AskProps) {
  const submit = (event: Event): void => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const reason = String(data.get('reason'));
    const wished = lines
      .map(({ line }) => ({ line, pieces: Number(data.get(line)) || 0, reason }))
      .filter(({ pieces }) => pieces > 0);
    if (wished.length > 0) ask({ step: 'request_return', lines: wished });
  };
  return (
    <details data-testid="return-form">
      <summary>Send something back</summary>
      <form class="return-form" onSubmit={submit}>
        {lines.map(({ line, pieces }) => (
          <p class="field" key={line}>
            <label for={`return-${line}`}>{titleOf(order.lines, line)}, up to {pieces}</label>
            <input id={`return-${line}`} name={line} type="number" inputMode="numeric" min={0} max={pieces} defaultValue="0" />
          </p>
        ))}
        <p class="field">
          <label for="return-reason">Why</label>
          <select id="return-reason" name="reason">
            {RETURN_REASONS.map(([value, label]) => <option key={value} value={value}>{label}</option>)}
          </select>
        </p>
        <button type="submit" class="button button-quiet" data-testid="request-return" aria-disabled={busy}>Ask to send it back</button>
      </form>
    </details>
  );
}

/** Everything after the payment. Empty for an order to which nothing can or did happen. */
export function OrderLife({ order, onChange }: OrderLifeProps) {
  const { run, isBusy: busy, failure } = useRun();
  const ask = (wish: OrderWish): void => {
    void run(async () => {
      onChange(await askOrder(order.id, wish));
      announce(wish.step === 'cancel' ? 'The order is cancelled.' : 'We have noted it.');
    });
  };
  const openInvoice = (): void => {
    void run(async () => {
      const { blob, name } = await fetchInvoice(order.id);
      const url = URL.createObjectURL(blob);
      const usual = `invoice-${order.number}.pdf`;
      Object.assign(document.createElement('a'), { href: url, download: name ?? usual }).click();
      setTimeout(() => URL.revokeObjectURL(url), FILE_KEPT_MS);
      // Asking may have given it a number of its own.
      if (name !== usual && !order.invoice) onChange(await fetchOrder(order.id));
    });
  };
  const returnable = order.next_steps?.find(({ step }) => step === 'request_return')?.lines ?? [];
  const isBought = ['confirmed', 'completed'].includes(order.status) || Boolean(order.refunds?.length);
  return (
    <div class="order-life">
      <Parcels order={order} />
      <Returns order={order} ask={ask} busy={busy} />
      <Refunds order={order} />
      {order.notes?.map(({ at, text }) => <p key={at} class="order-note">{text}</p>)}
      {failure !== null && <Problem error={failure} doing="browse" />}
      {returnable.length > 0 && <ReturnForm order={order} lines={returnable} ask={ask} busy={busy} />}
      <p class="actions">
        {isBought && <button type="button" class="button button-quiet" data-testid="invoice" aria-disabled={busy} onClick={openInvoice}>Invoice (PDF)</button>}
        {order.next_steps?.some(({ step }) => step === 'cancel') && (
          <button type="button" class="button button-quiet" data-testid="cancel-order" aria-disabled={busy} onClick={() => ask({ step: 'cancel' })}>Cancel the order</button>
        )}
      </p>
    </div>
  );
}
