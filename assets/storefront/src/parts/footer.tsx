// Foot of every page: what the shop is, and which edge answered.

import { servedBy } from '../api/client';
import { paths } from '../router';

const CACHE_WORDS: Record<string, string> = {
  replica: 'from its own copy of the catalogue',
  origin: 'after asking the origin',
  static: 'from its own files',
};

function ServedBy() {
  const from = servedBy.value;
  if (!from) return null;
  return (
    <p class="served-by">
      Answered by edge <b>{from.edge}</b> {CACHE_WORDS[from.cache] ?? ''}
      {from.position && <>, position <b>{from.position}</b></>}.
    </p>
  );
}

export function Footer() {
  return (
    <footer class="footer">
      <div class="footer-row">
        <p class="footer-line">Every piece, at true size, in your own room.</p>
        <nav aria-label="Foot of the page">
          <ul>
            <li><a href={paths.search()}>Everything</a></li>
            <li><a href={paths.account}>Account and orders</a></li>
            <li><a href={paths.cart}>Cart</a></li>
          </ul>
        </nav>
      </div>
      <div class="footer-row footer-small">
        <p>Vitrine is a demonstration shop and open source (Apache-2.0). Nothing is delivered, nothing is charged.</p>
        <ServedBy />
      </div>
    </footer>
  );
}

/** Says so when the edge has been out of touch with its origin. */
export function StaleBanner() {
  const seconds = servedBy.value?.staleSeconds ?? 0;
  if (seconds < 10) return null;
  const ago = seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`;
  return <p class="stale" role="status">Prices and stock were last confirmed {ago} ago. Browsing goes on as usual.</p>;
}
