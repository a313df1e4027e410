// Reading from the API inside a component: cached for a moment, cancelled when no longer wanted.

import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, networkError } from '../api/problem';
import type { Page } from '../api/types';

/** How long an answer is shown without asking again: long enough for going back and forth. */
const FRESH_MS = 20_000;
/** Answers kept; the oldest goes first. About 10 KB each. */
const ENTRIES_MAX = 60;

interface Entry {
  value: unknown;
  atMs: number;
}

const cache = new Map<string, Entry>();

function store(key: string, value: unknown): void {
  cache.delete(key);
  cache.set(key, { value, atMs: Date.now() });
  const oldest = cache.keys().next().value;
  if (cache.size > ENTRIES_MAX && oldest !== undefined) cache.delete(oldest);
}

export interface Resource<T> {
  /** The answer for the key, or while it loads the one before it. */
  data: T | undefined;
  error: ApiError | undefined;
  isLoading: boolean;
  reload: () => void;
}

interface Shown<T> {
  key: string;
  data?: T;
  error?: ApiError;
}

function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : networkError();
}

/**
 * Reads `key` by `fetcher`; a `null` key reads nothing. While a new key loads the old data stays, so that another
 * currency or order does not blank the page; a component that is about another thing gets a `key` of its own.
 */
export function useResource<T>(key: string | null, fetcher: (signal: AbortSignal) => Promise<T>): Resource<T> {
  const [shown, setShown] = useState<Shown<T>>({ key: '' });
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (key === null) return undefined;
    const kept = cache.get(key);
    if (kept && Date.now() - kept.atMs < FRESH_MS && round === 0) return undefined;
    const controller = new AbortController();
    fetcher(controller.signal).then(
      (data) => {
        store(key, data);
        setShown({ key, data });
      },
      (error: unknown) => {
        if (!controller.signal.aborted) setShown({ key, error: asApiError(error) });
      },
    );
    return () => controller.abort();
  }, [key, round]);
  const current = shown.key === key ? shown : null;
  const own = current?.data ?? (key === null ? undefined : (cache.get(key)?.value as T | undefined));
  const previous = useRef<T>();
  if (own !== undefined) previous.current = own;
  const isLoading = key !== null && own === undefined && !current?.error;
  const data = own ?? (isLoading ? previous.current : undefined);
  const reload = (): void => {
    setShown({ key: '' });
    setRound((n) => n + 1);
  };
  return { data, error: data === undefined ? current?.error : undefined, isLoading, reload };
}

export interface List<T> extends Resource<T[]> {
  hasMore: boolean;
  isLoadingMore: boolean;
  moreError: ApiError | undefined;
  more: () => void;
}

/** Reads a list page by page; the pages that were opened are still there on coming back. */
export function useList<T>(key: string, fetchPage: (cursor: string | null, signal: AbortSignal) => Promise<Page<T>>): List<T> {
  const first = useResource(key, (signal) => fetchPage(null, signal));
  const [, redraw] = useState(0);
  const [loading, setLoading] = useState('');
  const [failed, setFailed] = useState<{ key: string; error: ApiError } | null>(null);
  const page = first.data;
  const more = (): void => {
    if (!page?.next_cursor || first.isLoading || loading === key) return;
    setLoading(key);
    setFailed(null);
    fetchPage(page.next_cursor, new AbortController().signal)
      .then(
        (next) => {
          // In place, so that the entry keeps its age and `first` sees the longer list.
          page.items = [...page.items, ...next.items];
          page.next_cursor = next.next_cursor ?? null;
          redraw((n) => n + 1);
        },
        (error: unknown) => setFailed({ key, error: asApiError(error) }),
      )
      .finally(() => setLoading(''));
  };
  return {
    ...first,
    data: page?.items,
    hasMore: Boolean(page?.next_cursor),
    isLoadingMore: loading === key,
    moreError: failed?.key === key ? failed.error : undefined,
    more,
  };
}
