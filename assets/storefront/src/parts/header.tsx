// Top of every page: name, categories, search, currency, account, cart.

import { useEffect, useRef, useState } from 'preact/hooks';
import { fetchCategories } from '../api/catalogue';
import { ApiError, explain, networkError } from '../api/problem';
import { CURRENCIES, isCurrency } from '../money';
import { navigate, place } from '../navigation';
import { parseRoute, paths } from '../router';
import { announce } from '../state/announce';
import { cartCount, changeCartCurrency } from '../state/cart';
import { chooseCurrency, currency } from '../state/currency';
import { signedInAs } from '../state/session';
import { CartIcon, PersonIcon, SearchIcon } from './icons';
import { useResource } from './use-resource';

/** Wait after the last key before searching: shorter than a pause between words, longer than between letters. */
const TYPING_PAUSE_MS = 220;

/** Search as you type: the results page follows the words; Enter goes there at once. */
function SearchForm() {
  const route = parseRoute(place.value.pathname, place.value.search);
  const query = route.page === 'search' ? route.query : '';
  const [text, setText] = useState(query);
  const input = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  useEffect(() => {
    // Going back or leaving the results changes the words, but never under the fingers.
    if (document.activeElement !== input.current) setText(query);
  }, [query, route.page]);
  const go = (words: string): void => {
    clearTimeout(timer.current);
    const { page } = parseRoute(location.pathname, location.search);
    if (words.trim() === '' && page !== 'search') return;
    navigate(paths.search(words.trim()), { replace: page === 'search' });
  };
  return (
    <form
      class="search"
      role="search"
      action="/search"
      onSubmit={(event) => {
        event.preventDefault();
        go(text);
      }}
    >
      <SearchIcon />
      <label for="search" class="visually-hidden">Search the shop</label>
      <input
        ref={input}
        id="search"
        name="q"
        type="search"
        placeholder="Search"
        autocomplete="off"
        enterkeyhint="search"
        maxLength={100}
        data-testid="search-input"
        value={text}
        onInput={(event) => {
          const words = event.currentTarget.value;
          setText(words);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => go(words), TYPING_PAUSE_MS);
        }}
      />
    </form>
  );
}

async function switchCurrency(value: string): Promise<void> {
  if (!isCurrency(value)) return;
  chooseCurrency(value);
  try {
    await changeCartCurrency();
  } catch (error) {
    const notice = explain(error instanceof ApiError ? error : networkError(), 'cart');
    announce(`Your cart keeps its currency for now. ${notice.title}.`);
  }
}

function CurrencySelect() {
  return (
    <label class="currency">
      <span class="visually-hidden">Currency</span>
      <select value={currency.value} data-testid="currency-select" onChange={(event) => void switchCurrency(event.currentTarget.value)}>
        {CURRENCIES.map((code) => (
          <option key={code} value={code}>{code}</option>
        ))}
      </select>
    </label>
  );
}

function CategoryNav() {
  const categories = useResource('categories', fetchCategories);
  const { pathname } = place.value;
  return (
    <nav class="categories" aria-label="Categories">
      <ul>
        {categories.data?.items.map(({ handle, title }) => (
          <li key={handle}>
            <a href={paths.category(handle)} aria-current={pathname === paths.category(handle) ? 'page' : undefined}>{title}</a>
          </li>
        ))}
        <li>
          <a href={paths.search()} aria-current={pathname === '/search' ? 'page' : undefined}>Everything</a>
        </li>
      </ul>
    </nav>
  );
}

/** The wordmark: the case of the logo and the name. */
function Wordmark() {
  return (
    <a class="wordmark" href={paths.home}>
      <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round" aria-hidden="true">
        <path d="M3 8h13v13H3zM3 8l5-5h13v13l-5 5M16 8l5-5M8 3v13h13M3 21l5-5" />
      </svg>
      Vitrine
    </a>
  );
}

export function Header() {
  const account = signedInAs.value;
  const count = cartCount.value;
  return (
    <header class="header">
      <div class="header-row">
        <Wordmark />
        <CategoryNav />
        <SearchForm />
        <CurrencySelect />
        <a class="header-link" href={account ? paths.account : paths.login()} title={account || 'Sign in'}>
          <PersonIcon />
          <span class="visually-hidden">{account ? 'Account' : 'Sign in'}</span>
        </a>
        <a class="header-link" href={paths.cart}>
          <CartIcon />
          <span class="visually-hidden">Cart, pieces: </span>
          <span class={count > 0 ? 'count' : 'count count-empty'} data-testid="cart-count">{count}</span>
        </a>
      </div>
    </header>
  );
}
