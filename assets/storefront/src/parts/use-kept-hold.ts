// Keeps what was ordered on the shelf while its shopper is busy paying.

import { useEffect } from 'preact/hooks';
import { keepHold } from '../state/orders';

/** Least time between two requests to hold the pieces longer: the shop writes no more often. */
const KEEP_EVERY_MS = 60_000;

/** Keeps the pieces held while somebody is busy with the page. That it fails says nothing: the order's own state does. */
export function useKeptHold(id: string): void {
  useEffect(() => {
    let keptAtMs = Date.now();
    const keep = (): void => {
      if (Date.now() - keptAtMs < KEEP_EVERY_MS) return;
      keptAtMs = Date.now();
      keepHold(id).catch(() => undefined);
    };
    const signs = ['pointerdown', 'keydown', 'scroll'] as const;
    signs.forEach((sign) => addEventListener(sign, keep, { passive: true }));
    return () => signs.forEach((sign) => removeEventListener(sign, keep));
  }, [id]);
}
