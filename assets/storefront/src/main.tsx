// Starts the shop in the browser. Read on in `app.tsx` (pages) and `api/client.ts` (the edge).

import { render } from 'preact';
import { App } from './app';
import { startEvents } from './events';
import { navigate, startNavigation } from './navigation';
import { withoutPaymentQuery } from './payment';
import { refreshCart } from './state/cart';

const root = document.getElementById('app');
if (root) {
  startNavigation();
  // Who comes back from a bank has a secret of the payment in the address: it is not counted, kept or shown.
  const search = withoutPaymentQuery(location.search);
  if (search !== location.search) navigate(location.pathname + search, { replace: true });
  startEvents();
  render(<App />, root);
  // The kept copy is shown meanwhile; when the origin is away it stays.
  refreshCart().catch(() => undefined);
}
