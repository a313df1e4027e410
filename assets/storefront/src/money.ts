// Money as the API gives it: minor units and a currency. Pure; no floats are added here, only shown.

/** An amount in minor units (cents; whole yen). */
export interface Money {
  minor: number;
  currency: string;
}

/** Currencies the shop sells in, in the order of the switcher. */
export const CURRENCIES = ['EUR', 'USD', 'JPY'] as const;
export type Currency = (typeof CURRENCIES)[number];

/** Tells whether `value` is a currency of the shop. */
export function isCurrency(value: unknown): value is Currency {
  return CURRENCIES.some((currency) => currency === value);
}

/** Returns how many digits after the point `currency` has: 2 for EUR, 0 for JPY, 3 for KWD. */
export function exponentOf(currency: string): number {
  return new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
}

/** Options of [`formatMoney`]. */
export interface MoneyFormat {
  locale?: string;
  /** Leaves out `.00` on whole amounts: for price tags, never for totals. */
  short?: boolean;
}

/** Writes `money` for people, in the reader's locale unless one is given. */
export function formatMoney(money: Money, { locale, short = false }: MoneyFormat = {}): string {
  const exponent = exponentOf(money.currency);
  const scale = 10 ** exponent;
  const whole = money.minor % scale === 0;
  return new Intl.NumberFormat(locale, {
    style: 'currency',
    currency: money.currency,
    minimumFractionDigits: short && whole ? 0 : exponent,
    maximumFractionDigits: exponent,
  }).format(money.minor / scale);
}
