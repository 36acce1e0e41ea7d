import type { Entry, HardState } from '../raft/types.ts';

/** The entry behind which a log begins; `{ index: 0, term: 0 }` for one that has every entry. */
export interface LogBase {
  readonly index: number;
  /** Term of that entry. */
  readonly term: number;
}

/**
 * One ordered write. Within a batch: forget everything for a snapshot, truncate, append, then the hard state; all
 * durable or none counts.
 */
export interface LogBatch {
  readonly hardState: HardState | null;
  /**
   * Every entry is forgotten and the log goes on behind this one, which a snapshot stands for; absent or null = no.
   * That snapshot must be durable before the batch is handed over. Not together with a truncation.
   */
  readonly snapshot?: LogBase | null;
  /** Remove entries from this index on, first; null = none. */
  readonly truncateFrom: number | null;
  readonly entries: readonly Entry[];
}

/** What a log store found on disk when it was opened. */
export interface RecoveredLog {
  readonly hardState: HardState;
  /** Behind it come `entries`. At or below the last index given to `removeBefore`, or the newest snapshot's. */
  readonly base: LogBase;
  /** Contiguous, ascending; the first one, if any, has index `base.index + 1`. */
  readonly entries: readonly Entry[];
  /** Random 128-bit id, hex, given to this disk when it was formatted. */
  readonly diskId: string;
}

/**
 * Whether the log can go on:
 * - `full`: the volume has no room for the next segment and the current one is nearly used up, or so little is left that
 *   batches wait. They are kept, in order, and none is acknowledged meanwhile. A leader should hand over and refuse
 *   proposals; reads need no log. What has been handed over must stay bounded.
 * - `ok`: there is room again, and what waited is being written. Nothing has to be handed over again.
 */
export type LogSpace = 'ok' | 'full';

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
  /**
   * Entries at or below `index` are no longer needed: a checkpoint that covers them is durable. Whole segments without
   * any other entry are removed in the background, so some of these entries stay. A failure to remove is no danger; it
   * is logged and tried again with the next call. `index` must have been applied here: no later batch may truncate it.
   */
  removeBefore(index: number): void;
  /** Waits for queued batches (unless the disk is full: then they are given up), and releases the files. */
  close(): Promise<void>;
}
