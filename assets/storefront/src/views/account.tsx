import { useEffect } from 'preact/hooks';
import { navigate } from '../navigation';
import { Problem } from '../parts/notice';
import { useResource } from '../parts/use-resource';
import { paths } from '../router';
import { placedOrders } from '../state/orders';
import { fetchMe, logout, signedInAs } from '../state/session';
import { useTitle } from './use-title';

export function AccountView() {
  useTitle('Account');
  const kept = signedInAs.value;
  const isRefused = (status: number | undefined): boolean => status === 401;
  const me = useResource(kept ? `me:${kept}` : null, fetchMe);
  const mustSignIn = !kept || isRefused(me.error?.status);
  useEffect(() => {
    if (mustSignIn) navigate(paths.login(paths.account), { replace: true });
  }, [mustSignIn]);
  if (mustSignIn) return null;
  const orders = placedOrders();
  return (
    <>
      <div class="page-head">
        <div>
          <h1>Account</h1>
          <p class="lead" data-testid="account-email">{me.data?.email ?? ''}</p>
        </div>
        <button type="button" class="button button-quiet" data-testid="logout" onClick={() => void logout().then(() => navigate(paths.home))}>Sign out</button>
      </div>
      {me.error && <Problem error={me.error} doing="login" onRetry={me.reload} />}
      <section aria-labelledby="orders">
        <h2 id="orders">Orders from this browser</h2>
        {orders.length === 0 ? (
          <p class="empty-line">None yet.</p>
        ) : (
          <ul class="order-list">
            {orders.map(({ id, placed_at }) => (
              <li key={id}>
                <a href={paths.order(id)}>{new Date(placed_at).toLocaleString(undefined, { dateStyle: 'long', timeStyle: 'short' })}</a>
              </li>
            ))}
          </ul>
        )}
      </section>
    </>
  );
}
