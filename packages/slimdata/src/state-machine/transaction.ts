/**
 * The one command of the store: a list of checks and a list of writes, applied all or nothing.
 * With these words a queue, a concurrency cap and exactly-once fires are each one transaction.
 */

export type Check =
  /** The field does not exist. */
  | { readonly check: 'absent'; readonly hashset: string; readonly field: string }
  /** The field exists and its `version` equals `version`. */
  | { readonly check: 'version'; readonly hashset: string; readonly field: string; readonly version: number }
  /** The hashset has fewer than `count` fields. */
  | { readonly check: 'smaller'; readonly hashset: string; readonly count: number }
  /** The entry that carries this transaction was proposed in `term`: the fence of leader-only work. */
  | { readonly check: 'term'; readonly term: number }
  /** The hashset has no fields. */
  | { readonly check: 'empty'; readonly hashset: string };

export type Write =
  | { readonly write: 'set'; readonly hashset: string; readonly field: string; readonly value: Uint8Array }
  | { readonly write: 'delete'; readonly hashset: string; readonly field: string }
  | { readonly write: 'deleteHashset'; readonly hashset: string };

export interface Transaction {
  readonly checks: readonly Check[];
  readonly writes: readonly Write[];
}

/** The expected answers: applied, or which check (index into `checks`) failed first. */
export type TransactionResult =
  | { readonly applied: true; readonly index: number }
  | { readonly applied: false; readonly index: number; readonly failedCheck: number };

/** One field of a hashset. `createdIndex` orders fields first-in-first-out; both are log indexes. */
export interface FieldRecord {
  readonly value: Uint8Array;
  readonly createdIndex: number;
  /** Log index of the last write. */
  readonly version: number;
}

/** Read side of the applied state: synchronous, so that reads between two turns see one instant. */
export interface StateView {
  readonly appliedIndex: number;
  get(hashset: string, field: string): FieldRecord | undefined;
  /** Fields in order of creation (first created first). Do not hold the iterator across an await. */
  entries(hashset: string): Iterable<readonly [field: string, record: FieldRecord]>;
  /** Number of fields; 0 when the hashset does not exist. */
  size(hashset: string): number;
  /** Names of non-empty hashsets that start with `prefix`. */
  hashsets(prefix: string): Iterable<string>;
}
