import type { Entry, HardState } from '../raft/types.ts';

/** One ordered write. Within a batch: truncate, then append, then the hard state; all durable or none counts. */
export interface LogBatch {
  readonly hardState: HardState | null;
  /** Remove entries from this index on, first; null = none. */
  readonly truncateFrom: number | null;
  readonly entries: readonly Entry[];
}

/** What a log store found on disk when it was opened. */
export interface RecoveredLog {
  readonly hardState: HardState;
  /** Contiguous, ascending; the first one is `firstIndex`. */
  readonly entries: readonly Entry[];
  /** Random 128-bit id, hex, given to this disk when it was formatted. */
  readonly diskId: string;
}

/**
 * The durable half of the log. Writes are strictly ordered; all batches handed over while one
 * fdatasync is in flight become the next single write and fdatasync (group commit, no timer).
 */
export interface LogStore {
  /**
   * Queues a batch; `onDurable` runs once it and everything before it is on stable storage, in order.
   * There is no failure callback: a failed write or fsync is reported once through `onFatal`
   * given at opening, after which nothing is acknowledged any more.
   */
  append(batch: LogBatch, onDurable: () => void): void;
  /** Waits for queued batches, then releases the files. */
  close(): Promise<void>;
}
