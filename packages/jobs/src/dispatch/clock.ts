/** Time as this package sees it: handed in, so that tests drive it. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  /** Calls back once, not before `delayMs` from now. Returns what cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

/** Longest delay that Node's timers take; longer ones would fire at once. */
const delayMsMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), delayMsMax));
    return () => clearTimeout(timer);
  },
};
