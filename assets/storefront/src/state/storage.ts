// Small values kept in this browser. Storage may be full, forbidden or edited by hand: reads answer `null`, writes may be lost.

/** Reads a JSON value; `null` when absent or unreadable. */
export function load<T>(key: string): T | null {
  try {
    const text = localStorage.getItem(`vitrine.${key}`);
    return text === null ? null : (JSON.parse(text) as T);
  } catch {
    return null;
  }
}

/** Keeps a JSON value; `null` removes it. */
export function save(key: string, value: unknown): void {
  try {
    if (value === null) localStorage.removeItem(`vitrine.${key}`);
    else localStorage.setItem(`vitrine.${key}`, JSON.stringify(value));
  } catch {
    // The shop works without memory; only a reload forgets.
  }
}
