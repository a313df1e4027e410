// Starts the shop in the browser. Read on in `app.tsx` (pages) and `api/client.ts` (the edge).

import { render } from 'preact';
import { App } from './app';
import { startEvents } from './events';
import { startNavigation } from './navigation';
import { refreshCart } from './state/cart';

const root = document.getElementById('app');
if (root) {
  startNavigation();
  startEvents();
  render(<App />, root);
  // The kept copy is shown meanwhile; when the origin is away it stays.
  refreshCart().catch(() => undefined);
}
