import type { FieldRecord, TransactionResult } from './transaction.ts';

/**
 * When something was created: a log index, and a place among the writes of that one transaction. Orders fields within
 * their hashset, and hashsets among themselves; no two of either share it. Unlike a name it is never used again, and
 * it is the same on every member.
 */
export interface Creation {
  readonly createdIndex: number;
  /** 0 for the first write of the transaction; below `transactionStepsMax`. */
  readonly createdOrdinal: number;
}

/** Never changed in place: an update is a new object with the same creation. */
export interface StoredField extends FieldRecord, Creation {}

export interface HashsetIdentity extends Creation {
  readonly name: string;
}

/** One life of a hashset: deleted and created again under the same name, it is another one. */
export interface StoredHashset extends HashsetIdentity {
  /** In order of creation. */
  readonly fields: Map<string, StoredField>;
}

export interface StoredSession {
  /** Index of the entry that opened it. */
  readonly id: number;
  /** Index of the entry that used it last; orders sessions by last use, as no entry uses two. */
  readonly usedIndex: number;
  /** Sequences below are settled. Never decreases. */
  readonly floor: number;
  /** Results of applied sequences, all in [floor, floor + window). */
  readonly results: ReadonlyMap<number, TransactionResult>;
}

/** The applied state, taken apart into what a checkpoint stores one by one. */
export type StateRecord =
  | { readonly type: 'hashset'; readonly hashset: HashsetIdentity }
  | {
      readonly type: 'field';
      readonly hashset: Creation;
      readonly name: string;
      readonly field: StoredField;
    }
  | { readonly type: 'session'; readonly session: StoredSession };

/** One record as it was at the last freeze, and as it is now; null = it did not, or does not, exist. */
export interface RecordChange {
  readonly before: StateRecord | null;
  readonly after: StateRecord | null;
}

/** What changed between two freezes of a state machine. Stays as it is while applying goes on. */
export interface StateDelta {
  /** `appliedIndex` of the delta before; 0 for the first. */
  readonly baseIndex: number;
  readonly appliedIndex: number;
  /** Term of the entry at `appliedIndex`. */
  readonly appliedTerm: number;
  /**
   * Every changed record once, in no particular order; both sides of a change are the same record of a checkpoint.
   * May be walked again, and in pieces.
   */
  changes(): Iterable<RecordChange>;
}
