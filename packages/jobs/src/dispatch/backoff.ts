/** Bounded exponential delays. */
export interface Backoff {
  /** After the first failure; doubled by each further one. */
  readonly minMs: number;
  readonly maxMs: number;
}

/** Delay after this many failures in a row, at least 1. */
export function backoffDelayMs({ minMs, maxMs }: Backoff, failures: number): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 30));
}
