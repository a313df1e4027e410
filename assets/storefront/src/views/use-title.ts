import { useEffect } from 'preact/hooks';

/** Names the page in the tab; '' keeps the shop's name alone. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === '' ? 'Vitrine' : `${title} · Vitrine`;
  }, [title]);
}
