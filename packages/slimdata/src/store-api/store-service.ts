import type { Leadership, MemberName } from '../raft/types.ts';
import type { StateView, Transaction, TransactionResult } from '../state-machine/transaction.ts';
import type { RequestOptions } from '../store.ts';

/** What one applied transaction changed. */
export interface StoreChange {
  readonly index: number;
  /** Every hashset that it touched. */
  readonly hashsets: ReadonlySet<string>;
  /** Fields set or deleted, by hashset. A hashset that is missing here may have changed in any field. */
  readonly fields?: ReadonlyMap<string, ReadonlySet<string>>;
  /** True when the whole state was replaced by that of `index`: what changed on the way to it is not known. */
  readonly replaced?: boolean;
}

/**
 * What the store API needs of the store. A `Store` is one already; the more it tells of changed fields, the more
 * its watchers learn.
 */
export interface StoreService {
  readonly member: MemberName;
  readonly view: StateView;
  readonly leadership: Leadership;
  /** @see Store.transact */
  transact(transaction: Transaction, options: RequestOptions): Promise<TransactionResult>;
  /** @see Store.readBarrier */
  readBarrier(options: RequestOptions): Promise<void>;
  /** Calls `listener` after each applied transaction that wrote something, in order of index. */
  onChange(listener: (change: StoreChange) => void): () => void;
  /** Figures to show, by name. */
  statistics?(): object;
}
