// Order and payment states in words. Pure; a state that is new to this page is shown as it is written.

/** How a state feels: it decides the colour and the words around it. */
export type Tone = 'good' | 'waiting' | 'bad' | 'neutral';

export interface StatusText {
  label: string;
  tone: Tone;
}

const PAYMENT: Record<string, StatusText> = {
  created: { label: 'Payment on its way', tone: 'waiting' },
  pending: { label: 'Payment on its way', tone: 'waiting' },
  processing: { label: 'Payment on its way', tone: 'waiting' },
  unknown: { label: 'Being checked with the bank', tone: 'waiting' },
  requires_action: { label: 'Waiting for your approval', tone: 'waiting' },
  authorized: { label: 'Paid', tone: 'good' },
  captured: { label: 'Paid', tone: 'good' },
  succeeded: { label: 'Paid', tone: 'good' },
  paid: { label: 'Paid', tone: 'good' },
  declined: { label: 'Declined', tone: 'bad' },
  failed: { label: 'Did not go through', tone: 'bad' },
  voided: { label: 'Cancelled, nothing charged', tone: 'bad' },
  cancelled: { label: 'Cancelled, nothing charged', tone: 'bad' },
  expired: { label: 'Ran out of time, nothing charged', tone: 'bad' },
  partially_captured: { label: 'Partly paid', tone: 'good' },
  partially_refunded: { label: 'Partly refunded', tone: 'neutral' },
  refunded: { label: 'Refunded', tone: 'neutral' },
};

const ORDER: Record<string, StatusText> = {
  pending: { label: 'Received', tone: 'waiting' },
  pending_payment: { label: 'Waiting for payment', tone: 'waiting' },
  awaiting_payment: { label: 'Waiting for payment', tone: 'waiting' },
  placed: { label: 'Placed', tone: 'good' },
  confirmed: { label: 'Confirmed', tone: 'good' },
  paid: { label: 'Confirmed', tone: 'good' },
  fulfilled: { label: 'Sent', tone: 'good' },
  shipped: { label: 'Sent', tone: 'good' },
  delivered: { label: 'Delivered', tone: 'good' },
  completed: { label: 'Delivered', tone: 'good' },
  cancelled: { label: 'Cancelled', tone: 'bad' },
  failed: { label: 'Not placed', tone: 'bad' },
  expired: { label: 'Ran out of time', tone: 'bad' },
  refunded: { label: 'Refunded', tone: 'neutral' },
};

const PARCEL: Record<string, StatusText> = {
  pending: { label: 'Being packed', tone: 'waiting' },
  shipped: { label: 'On its way', tone: 'good' },
  delivered: { label: 'Delivered', tone: 'good' },
};

const RETURN: Record<string, StatusText> = {
  requested: { label: 'Asked for', tone: 'waiting' },
  approved: { label: 'Agreed: send it back', tone: 'waiting' },
  rejected: { label: 'Not agreed', tone: 'bad' },
  received: { label: 'Received', tone: 'good' },
  cancelled: { label: 'Dropped', tone: 'neutral' },
};

const REFUND: Record<string, StatusText> = {
  pending: { label: 'On its way to you', tone: 'waiting' },
  succeeded: { label: 'Paid back', tone: 'good' },
  failed: { label: 'Did not go through; we are looking after it', tone: 'bad' },
};

function lookUp(table: Record<string, StatusText>, status: string): StatusText {
  const plain = status.replaceAll('_', ' ');
  return table[status] ?? { label: plain.charAt(0).toUpperCase() + plain.slice(1), tone: 'neutral' };
}

export function paymentStatus(status: string): StatusText {
  return lookUp(PAYMENT, status);
}

export function orderStatus(status: string): StatusText {
  return lookUp(ORDER, status);
}

export function parcelStatus(status: string): StatusText {
  return lookUp(PARCEL, status);
}

export function returnStatus(status: string): StatusText {
  return lookUp(RETURN, status);
}

export function refundStatus(status: string): StatusText {
  return lookUp(REFUND, status);
}

/** Why something goes back, as the origin calls it and as people do. */
export const RETURN_REASONS: readonly (readonly [string, string])[] = [
  ['unwanted', 'I do not want it'],
  ['damaged', 'It is damaged'],
  ['not_as_described', 'It is not as described'],
  ['wrong_item', 'It is the wrong piece'],
  ['wrong_size', 'It does not fit'],
  ['too_late', 'It came too late'],
];

/** Tells that the payment is still on its way and will settle without the shopper. */
export function isSettling(payment: string): boolean {
  return ['created', 'pending', 'processing', 'unknown'].includes(payment);
}

/** Wait before the n-th look (from 0) at an order that is settling: 1 s, half as much more each time, 15 s at most. */
export function pollDelayMs(looks: number): number {
  return Math.min(15_000, Math.round(1_000 * 1.5 ** looks));
}
