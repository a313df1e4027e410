// Short messages: spoken by screen readers (aria-live) and shown at the foot of the page.

import { signal } from '@preact/signals';

export interface Message {
  text: string;
  link?: { href: string; label: string };
}

/** How long a message stays: long enough to read ten words and reach its link. */
const SHOWN_MS = 7_000;

/** Visible and spoken. */
export const toast = signal<Message | null>(null);
/** Spoken only. */
export const spoken = signal('');

let timer: ReturnType<typeof setTimeout> | undefined;

/** Shows and speaks a message. */
export function announce(text: string, link?: Message['link']): void {
  clearTimeout(timer);
  toast.value = link ? { text, link } : { text };
  timer = setTimeout(dismiss, SHOWN_MS);
}

/** Takes the message away. */
export function dismiss(): void {
  clearTimeout(timer);
  toast.value = null;
}

/** Speaks without showing: page titles, result counts. */
export function speak(text: string): void {
  spoken.value = text;
}
