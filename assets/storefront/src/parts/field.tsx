// A labelled input with its error, tied together for screen readers.

import type { JSX } from 'preact';

export interface FieldProps extends Omit<JSX.InputHTMLAttributes<HTMLInputElement>, 'label'> {
  name: string;
  label: string;
  error?: string | undefined;
  hint?: string;
  /** Makes ids unique when two forms on a page have the same field. */
  prefix?: string;
}

export function Field({ name, label, error, hint, prefix = '', ...input }: FieldProps) {
  const id = `${prefix}${name}`;
  const described = [hint ? `${id}-hint` : '', error ? `${id}-error` : ''].filter(Boolean).join(' ');
  return (
    <p class="field">
      <label for={id}>{label}</label>
      <input id={id} name={name} aria-invalid={error ? 'true' : undefined} aria-describedby={described || undefined} {...input} />
      {hint && <span class="field-hint" id={`${id}-hint`}>{hint}</span>}
      {error && <span class="field-error" id={`${id}-error`}>{error}</span>}
    </p>
  );
}

/** Moves the focus to the first field of `form` that has an error. */
export function focusFirstError(form: HTMLFormElement | null): void {
  requestAnimationFrame(() => form?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
}
