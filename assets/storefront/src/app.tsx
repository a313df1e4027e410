// The shell around every page, and which page it is.

import { useEffect, useRef } from 'preact/hooks';
import { track } from './events';
import { place } from './navigation';
import { Footer, StaleBanner } from './parts/footer';
import { Header } from './parts/header';
import { Messages } from './parts/toast';
import { parseRoute, type Route } from './router';
import { speak } from './state/announce';
import { AccountView } from './views/account';
import { CartView } from './views/cart';
import { CategoryView } from './views/category';
import { CheckoutView } from './views/checkout';
import { HomeView } from './views/home';
import { LoginView } from './views/login';
import { NotFoundView } from './views/not-found';
import { OrderView } from './views/order';
import { ProductView } from './views/product';
import { SearchView } from './views/search';
import { useTitle } from './views/use-title';

function Home() {
  useTitle('');
  return <HomeView />;
}

function viewOf(route: Route) {
  switch (route.page) {
    case 'home':
      return <Home />;
    case 'category':
      return <CategoryView key={route.category} handle={route.category} sort={route.sort} />;
    case 'search':
      return <SearchView query={route.query} category={route.category} sort={route.sort} available={route.available} />;
    case 'product':
      return <ProductView key={route.handle} handle={route.handle} variantSku={route.variant} />;
    case 'cart':
      return <CartView />;
    case 'checkout':
      return <CheckoutView />;
    case 'order':
      return <OrderView key={route.id} id={route.id} />;
    case 'login':
      return <LoginView next={route.next} />;
    case 'account':
      return <AccountView />;
    case 'not-found':
      return <NotFoundView />;
  }
}

/** Moves the focus to the new page and says its name, as a page load would; never away from a field being typed in. */
function usePageChange(pathname: string): { current: HTMLElement | null } {
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  useEffect(() => {
    if (isFirst.current) {
      isFirst.current = false;
      return;
    }
    if (!(document.activeElement instanceof HTMLInputElement)) main.current?.focus({ preventScroll: true });
    requestAnimationFrame(() => speak(document.title));
  }, [pathname]);
  return main;
}

/** How long a search must stand to count: 1 s. Every key would count otherwise. */
const SEARCH_STANDS_MS = 1_000;

/** Counts pages, and searches that were meant. */
function useCounts(pathname: string, route: Route): void {
  const query = route.page === 'search' ? route.query.trim() : '';
  useEffect(() => {
    track('page_view', route.page);
    if (route.page === 'product') track('product_view', route.handle);
  }, [pathname]);
  useEffect(() => {
    if (query === '') return undefined;
    const timer = setTimeout(() => track('search'), SEARCH_STANDS_MS);
    return () => clearTimeout(timer);
  }, [query]);
}

export function App() {
  const { pathname, search } = place.value;
  const route = parseRoute(pathname, search);
  const main = usePageChange(pathname);
  useCounts(pathname, route);
  return (
    <>
      <a class="skip" href="#main">Skip to content</a>
      <Header />
      <StaleBanner />
      <main id="main" class={`main page-${route.page}`} tabIndex={-1} ref={main}>
        {viewOf(route)}
      </main>
      <Footer />
      <Messages />
    </>
  );
}
