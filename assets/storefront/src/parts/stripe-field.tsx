// Stripe's own field in the checkout. What is typed there never reaches this page: Stripe gives a token for it.

import { useEffect, useImperativeHandle, useRef, useState } from 'preact/hooks';
import type { Ref } from 'preact';
import type { Address, PaymentField } from '../api/types';
import type { Money } from '../money';
import { LOCALE, loadStripe, type Elements, type PaymentElement, type Stripe, type StripeError, type TokenParams } from '../stripe';

/** What the checkout asks of the field. */
export interface FieldHandle {
  /** Makes a token of what was typed; `null` when something is wrong with it, which the field then says. */
  token: (email: string, address: Address) => Promise<string | null>;
}

export interface StripeFieldProps {
  field: PaymentField;
  due: Money;
  handle: Ref<FieldHandle>;
}

type Phase = 'loading' | 'ready' | 'failed';

function paramsOf(email: string, address: Address): TokenParams {
  const { name, line1, line2, postal_code, city, region, country } = address;
  const more = { ...(line2 ? { line2 } : {}), ...(region ? { state: region } : {}) };
  return {
    payment_method_data: { billing_details: { email } },
    shipping: { name, address: { line1, postal_code, city, country, ...more } },
  };
}

function makeElements(stripe: Stripe, { capture }: PaymentField, due: Money): { elements: Elements; element: PaymentElement } {
  const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
  const elements = stripe.elements({
    mode: 'payment',
    amount: due.minor,
    currency: due.currency.toLowerCase(),
    captureMethod: capture,
    locale: LOCALE,
    appearance: { theme: isDark ? 'night' : 'stripe' },
  });
  // The checkout has the email address already. Wallets would need a permission that our pages give to nobody.
  const element = elements.create('payment', {
    fields: { billingDetails: { email: 'never' } },
    wallets: { applePay: 'never', googlePay: 'never' },
  });
  return { elements, element };
}

function Unavailable({ onRetry }: { onRetry: () => void }) {
  return (
    <div class="notice" role="alert" data-testid="stripe-unavailable">
      <div>
        <strong>The fields for your card did not load</strong>
        <p>They come from Stripe, who takes payments for this shop, and your browser did not get them. Check your connection, or whether something blocks js.stripe.com. Nothing was charged.</p>
      </div>
      <button type="button" class="button button-quiet" data-testid="stripe-retry" onClick={onRetry}>Load them again</button>
    </div>
  );
}

export function StripeField({ field, due, handle }: StripeFieldProps) {
  const place = useRef<HTMLDivElement>(null);
  const stripe = useRef<Stripe>();
  const elements = useRef<Elements>();
  const [phase, setPhase] = useState<Phase>('loading');
  const [error, setError] = useState('');
  const [round, setRound] = useState(0);
  const amounts = useRef(due);
  amounts.current = due;
  useEffect(() => {
    let element: PaymentElement | undefined;
    let isWanted = true;
    setPhase('loading');
    loadStripe(field).then(
      (loaded) => {
        if (!isWanted || !place.current) return;
        const made = makeElements(loaded, field, amounts.current);
        element = made.element;
        stripe.current = loaded;
        elements.current = made.elements;
        element.on('ready', () => setPhase('ready'));
        element.on('loaderror', () => setPhase('failed'));
        element.on('change', () => setError(''));
        element.mount(place.current);
      },
      () => isWanted && setPhase('failed'),
    );
    return () => {
      isWanted = false;
      elements.current = undefined;
      element?.destroy();
    };
  }, [field, round]);
  useEffect(() => {
    elements.current?.update({ amount: due.minor, currency: due.currency.toLowerCase() });
  }, [due.minor, due.currency]);
  useImperativeHandle(handle, () => ({
    token: async (email, address) => {
      if (!stripe.current || !elements.current || phase !== 'ready') {
        setError(phase === 'loading' ? 'The fields for your card are still loading. Try again in a moment.' : 'Load the fields again, or choose another way to pay.');
        return null;
      }
      setError('');
      const wrong = ({ message }: StripeError): null => {
        setError(message ?? 'Stripe could not read your details. Please check them.');
        return null;
      };
      const { error } = await elements.current.submit();
      if (error) return wrong(error);
      const made = await stripe.current.createConfirmationToken({ elements: elements.current, params: paramsOf(email, address) });
      return made.confirmationToken?.id ?? wrong(made.error ?? {});
    },
  }), [phase]);
  return (
    <div class="payment-field" aria-busy={phase === 'loading'} data-testid="stripe-field" data-phase={phase}>
      {phase === 'loading' && <p class="muted" role="status">Loading the fields for your card …</p>}
      {phase === 'failed' && <Unavailable onRetry={() => setRound((n) => n + 1)} />}
      <div class="payment-field-mount" ref={place} hidden={phase === 'failed'} />
      {error && <p class="field-error" role="alert" data-testid="stripe-error">{error}</p>}
    </div>
  );
}
