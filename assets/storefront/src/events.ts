// What happens in the shop, as counts: collected, and sent in beacons that need no answer.
//
// An event is a name and what it was about (a page, a product's handle): never who, never what was typed. Nothing at all
// is collected when the browser asks not to be tracked.

/** Names that the API knows. */
export type EventName =
  | 'page_view'
  | 'product_view'
  | 'model_view'
  | 'ar_launch'
  | 'add_to_cart'
  | 'search'
  | 'checkout_start'
  | 'order_placed';

interface ShopEvent {
  name: EventName;
  subject?: string;
}

/** Where beacons go. */
export const EVENTS_PATH = '/v1/events';
/** Most events in one beacon, as the API takes them. */
export const EVENTS_MAX = 20;
/** Longest wait of an event for others: 5 s. */
const WAIT_MS = 5_000;

/** What the browser says about tracking. */
export interface Wishes {
  doNotTrack?: string | null;
  globalPrivacyControl?: boolean;
}

/** Tells whether anything may be counted: not under Do Not Track, nor under Global Privacy Control. */
export function mayCount({ doNotTrack, globalPrivacyControl }: Wishes): boolean {
  return doNotTrack !== '1' && doNotTrack !== 'yes' && globalPrivacyControl !== true;
}

/** What collecting needs of the browser; tests bring their own. */
export interface Browser {
  wishes: () => Wishes;
  /** Hands a body over for sending; a browser that cannot loses it. */
  beacon: (path: string, body: string) => void;
  /** Calls back later. */
  later: (work: () => void, ms: number) => void;
}

/** Collects events and sends them: when there are many, some seconds after the first, and when the page is left. */
export class Events {
  #waiting: ShopEvent[] = [];
  #isDue = false;
  readonly #browser: Browser;

  constructor(browser: Browser) {
    this.#browser = browser;
  }

  track(name: EventName, subject = ''): void {
    if (!mayCount(this.#browser.wishes())) return;
    this.#waiting.push(subject === '' ? { name } : { name, subject });
    if (this.#waiting.length >= EVENTS_MAX) this.flush();
    else if (!this.#isDue) {
      this.#isDue = true;
      this.#browser.later(() => this.flush(), WAIT_MS);
    }
  }

  flush(): void {
    this.#isDue = false;
    if (this.#waiting.length === 0) return;
    const events = this.#waiting;
    this.#waiting = [];
    this.#browser.beacon(EVENTS_PATH, JSON.stringify({ events }));
  }
}

const ours = new Events({
  wishes: () => navigator as Wishes,
  beacon: (path, body) => {
    // Text would be sent as text/plain, which the API refuses.
    navigator.sendBeacon?.(path, new Blob([body], { type: 'application/json' }));
  },
  later: (work, ms) => void setTimeout(work, ms),
});

/** Counts something that happened. */
export function track(name: EventName, subject = ''): void {
  ours.track(name, subject);
}

/** Sends what waits when the page is hidden: after that nothing is sure to run. Called once. */
export function startEvents(): void {
  document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && ours.flush());
  addEventListener('pagehide', () => ours.flush());
}
