import { existsSync } from 'node:fs';

/** Why a run has to end before its command does. */
export type EndingReason = 'cancelled' | 'deadline';

/** Watches for the reasons to end a run. */
export interface Ending {
  /** Aborted once, with the reason. */
  readonly signal: AbortSignal;
  /** The reason as of now; null = go on. */
  check(): EndingReason | null;
  /** Sets the deadline, if there is one, from the time of the first start. */
  startDeadline(startedAt: number, activeDeadlineMs: number | null): void;
  close(): void;
}

/** How soon a cancellation is seen whose signal did not arrive, e.g. because it came from another PID namespace. */
const recheckMs = 1000;
/** The longest delay that a timer takes. */
const delayMaxMs = 2 ** 31 - 1;

/** SIGTERM only makes it look sooner; it does not end a run whose cancellation nobody asked for. */
export function createEnding(tombstone: string, now: () => number): Ending {
  const controller = new AbortController();
  const { signal } = controller;
  let deadline: NodeJS.Timeout | undefined;

  function end(reason: EndingReason): void {
    if (!signal.aborted) controller.abort(reason);
  }

  function check(): EndingReason | null {
    if (existsSync(tombstone)) end('cancelled');
    return signal.aborted ? (signal.reason as EndingReason) : null;
  }

  function startDeadline(startedAt: number, activeDeadlineMs: number | null): void {
    if (activeDeadlineMs === null || signal.aborted) return;
    clearTimeout(deadline);
    // The clock may have been set back: never wait longer than the whole time.
    const leftMs = Math.min(startedAt + activeDeadlineMs - now(), activeDeadlineMs);
    if (leftMs <= 0) end('deadline');
    else deadline = setTimeout(startDeadline, Math.min(leftMs, delayMaxMs), startedAt, activeDeadlineMs);
  }

  const recheck = setInterval(check, recheckMs);
  process.on('SIGTERM', check);
  return {
    signal,
    check,
    startDeadline,
    close() {
      clearInterval(recheck);
      clearTimeout(deadline);
      process.off('SIGTERM', check);
    },
  };
}
