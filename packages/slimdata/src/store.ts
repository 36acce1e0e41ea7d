import type { Leadership, MemberName } from './raft/types.ts';
import type { StateView, Transaction, TransactionResult } from './state-machine/transaction.ts';

export interface RequestOptions {
  /** Give up after this many milliseconds (default 10,000). */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** Hashsets touched by one applied transaction. */
export interface Change {
  readonly index: number;
  readonly hashsets: ReadonlySet<string>;
  /** True when a snapshot took the place of the whole state: what changed on the way to it is not known. */
  readonly replaced?: boolean;
}

/** What programs are written against. Every member offers all of it; leaders are found for the caller. */
export interface Store {
  readonly member: MemberName;
  /** Applied state of this member. Linearizable only directly after `readBarrier()`. */
  readonly view: StateView;
  readonly leadership: Leadership;

  /**
   * Proposes a transaction, through the leader, and resolves when this member has applied it. It is applied at
   * most once however often it had to be sent again.
   * @throws StoreError `timeout` (outcome unknown), `unavailable`, `overloaded`, `too_large`, `closed`: not applied.
   */
  transact(transaction: Transaction, options?: RequestOptions): Promise<TransactionResult>;

  /** Resolves when `view` reflects everything acknowledged anywhere before this call. @throws StoreError */
  readBarrier(options?: RequestOptions): Promise<void>;

  /** Calls `listener` on every change of role, term or leader. Returns the function that ends it. */
  onLeadership(listener: (leadership: Leadership) => void): () => void;

  /** Calls `listener` after each applied transaction that wrote something. Returns the function that ends it. */
  onChange(listener: (change: Change) => void): () => void;
}
