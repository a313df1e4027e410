// The browser's history: where we are, going somewhere, links, and scroll positions.

import { signal } from '@preact/signals';

export interface Place {
  pathname: string;
  search: string;
}

function here(): Place {
  return { pathname: location.pathname, search: location.search };
}

/** The current place; views read it through the router. */
export const place = signal<Place>(here());

/** Goes to a path of the shop. `replace` keeps the history free of steps nobody wants back. */
export function navigate(path: string, { replace = false } = {}): void {
  if (replace) {
    history.replaceState(history.state, '', path);
  } else {
    history.replaceState({ scrollY }, '');
    history.pushState(null, '', path);
  }
  const before = place.value.pathname;
  place.value = here();
  if (!replace && before !== place.value.pathname) scrollTo(0, 0);
}

/** Tells whether a click on `anchor` is ours: a plain click on a page of this shop. */
function isOurs(event: MouseEvent, anchor: HTMLAnchorElement): boolean {
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  const page = !anchor.target && !anchor.hasAttribute('download') && !anchor.relList.contains('ar');
  const sameShop = anchor.origin === location.origin && !/^\/(v1|m|assets)\//.test(anchor.pathname);
  const onlyHash = anchor.hash !== '' && anchor.pathname === location.pathname && anchor.search === location.search;
  return plain && page && sameShop && !onlyHash && !event.defaultPrevented;
}

/** Starts listening; called once. */
export function startNavigation(): void {
  history.scrollRestoration = 'manual';
  document.addEventListener('click', (event) => {
    const anchor = event.target instanceof Element ? event.target.closest('a') : null;
    if (!anchor?.href || !isOurs(event, anchor)) return;
    event.preventDefault();
    navigate(anchor.pathname + anchor.search);
  });
  addEventListener('popstate', (event) => {
    place.value = here();
    const kept = (event.state as { scrollY?: number } | null)?.scrollY ?? 0;
    // Two frames: one for the view to render from its cache, one for the layout.
    requestAnimationFrame(() => requestAnimationFrame(() => scrollTo(0, kept)));
  });
}
