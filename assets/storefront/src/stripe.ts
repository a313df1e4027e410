// Stripe.js (docs.stripe.com/js): what of it this page uses, and how it comes here. Loaded only when somebody pays with it,
// and only from the address that the shop's API names; the page's content policy allows no other.

import type { PaymentField } from './api/types';

export interface StripeError {
  type?: string;
  message?: string;
}

export interface PaymentElement {
  mount(target: HTMLElement): void;
  destroy(): void;
  on(event: 'ready' | 'change' | 'loaderror', handler: (event: { error?: StripeError }) => void): void;
}

export interface ElementsOptions {
  mode: 'payment';
  amount: number;
  currency: string;
  captureMethod: 'automatic' | 'manual';
  locale: string;
  appearance: { theme: 'stripe' | 'night' };
}

export interface Elements {
  create(type: 'payment', options: object): PaymentElement;
  update(options: { amount: number; currency: string }): void;
  submit(): Promise<{ error?: StripeError }>;
}

/** What is known of the payer beside what the field asks for. */
export interface TokenParams {
  payment_method_data: { billing_details: { email: string } };
  shipping: { name: string; address: { line1: string; line2?: string; postal_code: string; city: string; state?: string; country: string } };
}

export interface Stripe {
  elements(options: ElementsOptions): Elements;
  createConfirmationToken(options: { elements: Elements; params: TokenParams }): Promise<{ error?: StripeError; confirmationToken?: { id: string } }>;
  handleNextAction(options: { clientSecret: string }): Promise<{ error?: StripeError }>;
}

type StripeOf = (key: string, options: { locale: string }) => Stripe;

/** Longest wait for the script: 20 s. */
const LOAD_MS_MAX = 20_000;
/** The language of this shop's pages. */
export const LOCALE = 'en';

/** Stripe's script did not come, or is none. */
export class StripeUnavailable extends Error {}

let loading: Promise<StripeOf> | null = null;
const made = new Map<string, Stripe>();

/** Loads Stripe.js once for the page. After a failure the next call tries again. */
export async function loadStripe({ publishable_key, script_url }: PaymentField): Promise<Stripe> {
  loading ??= loadScript(script_url).catch((error: unknown) => {
    loading = null;
    throw error;
  });
  const make = await loading;
  const known = made.get(publishable_key) ?? make(publishable_key, { locale: LOCALE });
  made.set(publishable_key, known);
  return known;
}

function loadScript(url: string): Promise<StripeOf> {
  return new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement('script'), { src: url, async: true });
    const fail = (): void => {
      clearTimeout(timer);
      script.remove();
      reject(new StripeUnavailable());
    };
    const timer = setTimeout(fail, LOAD_MS_MAX);
    script.addEventListener('error', fail);
    script.addEventListener('load', () => {
      clearTimeout(timer);
      const { Stripe } = globalThis as { Stripe?: StripeOf };
      if (typeof Stripe === 'function') resolve(Stripe);
      else fail();
    });
    document.head.append(script);
  });
}
