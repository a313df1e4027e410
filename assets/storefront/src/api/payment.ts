// How the shop can be paid.

import { send } from './client';
import type { PaymentMethods } from './types';

let kept: Promise<PaymentMethods> | null = null;

/** Reads how the shop can be paid, once for this page; after a failure the next call asks again. */
export function fetchPaymentMethods(): Promise<PaymentMethods> {
  kept ??= send<PaymentMethods>('/v1/payment-methods').catch((error: unknown) => {
    kept = null;
    throw error;
  });
  return kept;
}
