// What the checkout form holds, and what is wrong with it. Pure.

import type { Address } from './api/types';
import type { FieldError } from './api/problem';

/** `way` is the id of one of the ways to pay that the shop has; '' is the first of them. */
export type CheckoutForm = Address & { email: string; way: string };

export type FieldName = Exclude<keyof CheckoutForm, 'way'>;
export type FieldErrors = Partial<Record<FieldName, string>>;

/** Longest value of any field, in characters: longer ones are slips of the clipboard. */
export const FIELD_CHARS_MAX = 120;

export const EMPTY_FORM: CheckoutForm = {
  email: '', name: '', line1: '', line2: '', postal_code: '', city: '', country: 'DE', region: '', way: '',
};

/** Countries the demonstration shop "delivers" to. */
export const COUNTRIES = [
  'AT', 'AU', 'BE', 'CA', 'CH', 'CZ', 'DE', 'DK', 'ES', 'FI', 'FR', 'GB', 'IE', 'IT', 'JP', 'LU', 'NL', 'NO', 'NZ', 'PL', 'PT', 'SE', 'US',
] as const;

/** Name of a country for people; the code itself when there is none. */
export function countryName(code: string): string {
  try {
    return new Intl.DisplayNames(['en'], { type: 'region' }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** Countries whose addresses name a state or province, on which taxes depend. */
const WITH_REGIONS: readonly string[] = ['AU', 'CA', 'US'];

/** Tells whether an address there names a state or province. */
export function hasRegions(country: string): boolean {
  return WITH_REGIONS.includes(country);
}

const MISSING: Record<Exclude<FieldName, 'line2' | 'region'>, string> = {
  email: 'Enter your email address',
  name: 'Enter the name on the door',
  line1: 'Enter street and number',
  postal_code: 'Enter the postal code',
  city: 'Enter the city',
  country: 'Choose a country',
};

/** Tells a plausible address; whether it exists, only a mail can tell. */
export function isEmail(text: string): boolean {
  return /^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/.test(text);
}

/** Checks what can be checked without the server. */
export function validate(form: CheckoutForm): FieldErrors {
  const errors: FieldErrors = {};
  for (const [name, message] of Object.entries(MISSING) as [keyof typeof MISSING, string][]) {
    if (form[name].trim() === '') errors[name] = message;
  }
  if (!errors.email && !isEmail(form.email.trim())) errors.email = 'This does not look like an email address';
  const region = form.region.trim();
  if (hasRegions(form.country) && !/^[a-z0-9]{1,3}$/i.test(region)) errors.region = 'Enter its letters, for instance NY';
  return errors;
}

function isField(name: string): name is FieldName {
  return name in MISSING || name === 'line2' || name === 'region';
}

/** Puts the server's complaints at their fields; what belongs to none comes back in `rest`. */
export function placeErrors(errors: readonly FieldError[]): { fields: FieldErrors; rest: string[] } {
  const fields: FieldErrors = {};
  const rest: string[] = [];
  for (const { field, message } of errors) {
    if (isField(field)) fields[field] ??= message.charAt(0).toUpperCase() + message.slice(1);
    else rest.push(message);
  }
  return { fields, rest };
}
