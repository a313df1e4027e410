// What the payer still has to do at the bank: a page to go to, or a question in Stripe's own window.

import { useEffect, useState } from 'preact/hooks';
import { fetchPaymentMethods } from '../api/payment';
import type { NextAction, Order } from '../api/types';
import { resumePayment, takeFreshAction } from '../state/orders';
import { loadStripe, StripeUnavailable } from '../stripe';
import { Problem } from './notice';
import { useKeptHold } from './use-kept-hold';
import { useRun } from './use-run';

export interface PayerActionProps {
  order: Order;
  onChange: (order: Order) => void;
}

/** Lets Stripe ask the payer; returns what it says went wrong. */
async function askByStripe(clientSecret: string): Promise<string> {
  const { providers } = await fetchPaymentMethods();
  const field = providers.find(({ provider }) => provider === 'stripe')?.field;
  if (!field) throw new StripeUnavailable();
  const stripe = await loadStripe(field);
  const { error } = await stripe.handleNextAction({ clientSecret });
  return error?.message ?? '';
}

export function PayerAction({ order, onChange }: PayerActionProps) {
  const [action, setAction] = useState<NextAction | null>(null);
  const { run, isBusy, failure } = useRun(true);
  const [said, setSaid] = useState('');
  useKeptHold(order.id);
  /** Asks where the payment stands, which may be at its end, and what is to be done. */
  const ask = async (): Promise<NextAction | null> => {
    const now = await resumePayment(order.id);
    if (now.payment_status !== 'requires_action' || !now.next_action) {
      onChange(now);
      return null;
    }
    setAction(now.next_action);
    return now.next_action;
  };
  const goOn = async (known: NextAction | null): Promise<void> => {
    setSaid('');
    const next = known === null || known.type === 'resume' ? await ask() : known;
    if (next?.type === 'redirect') location.assign(next.url);
    if (next?.type !== 'use_sdk' || !next.client_secret) return;
    const error = await askByStripe(next.client_secret);
    await ask();
    setSaid(error);
  };
  useEffect(() => {
    const fresh = takeFreshAction(order.id);
    void run(async () => {
      if (fresh) await goOn(fresh);
      else await ask();
    });
    // Who goes back from the bank's page without an answer finds this page as it was left.
    const shown = (event: PageTransitionEvent): void => {
      if (event.persisted) void run(async () => void (await ask()));
    };
    addEventListener('pageshow', shown);
    return () => removeEventListener('pageshow', shown);
  }, [order.id]);
  return (
    <section class="bank" aria-labelledby="payer-title" data-testid="payer-action" data-action={action?.type ?? ''}>
      <h2 id="payer-title">Your bank has a question first</h2>
      <p role="status">{isBusy ? 'Asking where your payment stands …' : 'The order is placed and waits for your answer. It is paid once only, however often you come back here.'}</p>
      {said && <p class="field-error" role="alert" data-testid="payer-error">{said}</p>}
      {failure instanceof StripeUnavailable && (
        <div class="notice" role="alert" data-testid="stripe-unavailable">
          <p>The window for your answer comes from Stripe, and your browser did not get it. Check your connection and try again: nothing was charged so far.</p>
        </div>
      )}
      {failure !== null && !(failure instanceof StripeUnavailable) && <Problem error={failure} doing="pay" />}
      <p class="actions">
        <button type="button" class="button" data-testid="continue-payment" aria-disabled={isBusy} onClick={() => void run(() => goOn(null))}>Answer your bank</button>
      </p>
    </section>
  );
}
