// What the edge's HTTP API answers; the full contract is served as /openapi.json.

import type { Money } from '../money';

export interface ListItem {
  sku: string;
  handle: string;
  title: string;
  subtitle?: string;
  category: string;
  price: Money;
  image_url: string;
  image_alt?: string;
  has_ar: boolean;
  available: boolean;
  /** The best of its variants'; an edge of a version before promises does not say it. */
  availability?: Availability;
}

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

export interface Category {
  handle: string;
  title: string;
  description?: string;
  image_url?: string;
  product_count: number;
}

export type Availability = 'in_stock' | 'low' | 'preorder' | 'backorder' | 'out_of_stock';

export interface Variant {
  sku: string;
  title: string;
  options: Record<string, string>;
  price: Money;
  availability: Availability;
  /** From when on what is promised ships, where that is known. */
  ships_at?: string;
  image_url: string;
  image_alt?: string;
  has_ar: boolean;
}

export interface Model {
  web_glb_url: string;
  /** Width, height, depth in metres. */
  dimensions_m: [number, number, number];
  triangles?: number;
  bytes?: number;
}

export interface Product {
  handle: string;
  title: string;
  subtitle?: string;
  description: string;
  category: string;
  tags?: string[];
  images: { url: string; alt: string }[];
  options: { name: string; values: string[] }[];
  variants: Variant[];
  model?: Model | null;
  ar?: { manifest_url: string } | null;
}

export type Viewer = 'scene_viewer' | 'quick_look' | 'webxr' | 'page';

export interface ArManifest {
  recommended: { viewer: Viewer; url: string; why: string };
  links: {
    web_glb?: string;
    plain_glb?: string;
    scene_viewer?: string;
    quick_look?: string;
    usdz?: string;
    page?: string;
  };
  dimensions_m: [number, number, number];
  poster_url?: string;
  material_variant?: string | null;
}

export interface Totals {
  currency: string;
  subtotal: Money;
  shipping: Money;
  tax: Money;
  total: Money;
  /** Absent in what an earlier visit kept, as the next two. */
  discount?: Money;
  gift_cards?: Money;
  /** What is left to pay. */
  due?: Money;
}

/** Why a code, a gift card or a shipping method does not do what was hoped. */
export interface Reason {
  reason: string;
  missing?: Money | number;
  grams_max?: number;
  subtotal_min?: Money;
}

export interface Days {
  min: number;
  max: number;
}

export interface ShippingOption {
  method: string;
  title: string;
  offer: { kind: 'available'; price: Money; days: Days } | { kind: 'unavailable'; why: Reason };
}

/** Everything that led to the totals. */
export interface Quote {
  shipping: { kind: 'not_needed' | 'not_chosen' | 'refused' | 'chosen'; method?: string; title?: string; why?: Reason };
  shipping_options: ShippingOption[];
  promotions: { promotion: string; title: string; code: string | null; amount: Money }[];
  refused_codes: ({ code: string } & Reason)[];
  taxes: { name: string; rate: number; amount: Money }[];
  /** Whether prices contain their taxes, or these come on top. */
  price_mode: 'inclusive' | 'exclusive';
  gift_cards: { gift_card: string; amount: Money }[];
  refused_gift_cards: ({ gift_card: string } & Reason)[];
}

/** Pieces of a line that are not there yet. */
export interface Promised {
  kind: 'preorder' | 'backorder';
  pieces: number;
  /** From when on all of them ship, where that is known. */
  ships_at?: string;
}

export interface Line {
  id: string;
  sku: string;
  handle: string;
  title: string;
  variant_title?: string;
  image_url: string;
  quantity: number;
  unit_price: Money;
  line_total: Money;
  /** Absent where everything is there. */
  promise?: Promised;
}

export interface Cart {
  id: string;
  version: number;
  lines: Line[];
  totals: Totals;
  currency: string;
  codes?: string[];
  gift_cards?: { id: string; last4: string }[];
  shipping_method?: string | null;
  price_changes?: { line: string; old: Money; new: Money }[];
  quote?: Quote | null;
}

export interface Address {
  name: string;
  line1: string;
  line2: string;
  postal_code: string;
  city: string;
  country: string;
  region: string;
}

/** A provider's own field for card data: its key, its script, and when money is taken, which it must know. */
export interface PaymentField {
  publishable_key: string;
  script_url: string;
  capture: 'automatic' | 'manual';
}

/** Whom a checkout may name, and what each takes. */
export interface PaymentMethods {
  providers: { provider: string; methods: string[]; field?: PaymentField }[];
}

/** How it is paid. A token is what the provider's own field made of what was typed there. */
export interface PaymentChoice {
  provider: string;
  method: string;
  token?: string;
}

/** What the payer has to do before the payment goes on. */
export interface NextAction {
  type: string;
  url: string;
  client_secret?: string;
}

export interface CheckoutRequest {
  email: string;
  shipping_address: Address;
  payment: PaymentChoice;
  /** What was shown as due: where it comes to something else, nothing is bought. */
  expected_due?: Money;
  /** What was shown as promised, all else as being there: where more is promised, or for a later day, nothing is bought. */
  expected_promises?: ({ line: string } & Promised)[];
}

export interface CheckoutAnswer {
  order_id: string;
  status: string;
  payment_status: string;
  totals: Totals;
  order_token?: string;
  next_action?: NextAction | null;
}

/** Pieces of one line of an order. */
export interface PiecesOf {
  line: string;
  pieces: number;
}

export interface Parcel {
  id: string;
  status: string;
  lines: PiecesOf[];
  tracking: { carrier: string; number?: string; url?: string } | null;
}

export interface OrderReturn {
  id: string;
  status: string;
  lines: { line: string; requested: number }[];
}

export interface OrderRefund {
  id: string;
  status: string;
  reason: string;
  amount: Money;
}

/** What the shopper may do now, with its bounds. */
export interface OrderStep {
  step: string;
  id?: string;
  lines?: PiecesOf[];
}

export interface Order {
  id: string;
  number: string | number;
  status: string;
  payment_status: string;
  created_at: string;
  email: string;
  lines: Line[];
  totals: Totals;
  quote?: Quote | null;
  /** Present once its invoice has a number of its own. */
  invoice?: { number: string; issued_at: string };
  shipping_address?: Address;
  cancelled?: PiecesOf[];
  fulfilments?: Parcel[];
  returns?: OrderReturn[];
  refunds?: OrderRefund[];
  next_steps?: OrderStep[];
  /** Present while the payer has to act. */
  next_action?: NextAction | null;
  notes?: { at: string; text: string }[];
}

export interface Tokens {
  access_token: string;
  refresh_token: string;
  /** Seconds. */
  expires_in: number;
}

export interface Account {
  id: string;
  email: string;
  created_at?: string;
}
