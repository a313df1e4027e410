// Doing what a button asks for: one thing at a time, and what went wrong with it.

import { useRef, useState } from 'preact/hooks';

export interface Run {
  /** Does it, unless something is being done already. */
  run: (work: () => Promise<void>) => Promise<void>;
  isBusy: boolean;
  /** Why the last one failed; `null` when it did not. */
  failure: unknown;
}

/** `startsBusy` for a part that begins with work of its own, so that it is not drawn as idle before. */
export function useRun(startsBusy = false): Run {
  const [isBusy, setIsBusy] = useState(startsBusy);
  const [failure, setFailure] = useState<unknown>(null);
  // Two clicks may come before the next drawing.
  const isRunning = useRef(false);
  const run = async (work: () => Promise<void>): Promise<void> => {
    if (isRunning.current) return;
    isRunning.current = true;
    setIsBusy(true);
    setFailure(null);
    try {
      await work();
    } catch (error) {
      setFailure(error);
    } finally {
      isRunning.current = false;
      setIsBusy(false);
    }
  };
  return { run, isBusy, failure };
}
