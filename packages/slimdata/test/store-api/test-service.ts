import type { Leadership } from '../../src/raft/types.ts';
import type {
  FieldRecord,
  StateView,
  Transaction,
  TransactionResult,
} from '../../src/state-machine/transaction.ts';
import type { RequestOptions } from '../../src/store.ts';
import type { StoreChange, StoreService } from '../../src/store-api/store-service.ts';

/** A store of one process, without checks, whose answers a test may hold back or replace. */
export class TestService implements StoreService {
  readonly member = 'a';
  leadership: Leadership = { role: 'leader', term: 3, leader: 'a' };
  readonly transactions: Transaction[] = [];
  readonly barriers: RequestOptions[] = [];
  readonly hashsetsByName = new Map<string, Map<string, FieldRecord>>();
  appliedIndex: number;
  /** Replaces what a transaction, or barrier, comes to. */
  onTransact: ((options: RequestOptions) => Promise<TransactionResult>) | null = null;
  onBarrier: ((options: RequestOptions) => Promise<void>) | null = null;
  private readonly listeners = new Set<(change: StoreChange) => void>();

  constructor(appliedIndex = 0) {
    this.appliedIndex = appliedIndex;
  }

  get view(): StateView {
    const fields = (hashset: string) => this.hashsetsByName.get(hashset);
    return {
      appliedIndex: this.appliedIndex,
      get: (hashset, field) => fields(hashset)?.get(field),
      entries: (hashset) => fields(hashset)?.entries() ?? [],
      size: (hashset) => fields(hashset)?.size ?? 0,
      hashsets: (prefix) => [...this.hashsetsByName.keys()].filter((name) => name.startsWith(prefix)),
    };
  }

  get listenerCount(): number {
    return this.listeners.size;
  }

  async transact(transaction: Transaction, options: RequestOptions): Promise<TransactionResult> {
    this.transactions.push(transaction);
    if (this.onTransact !== null) {
      return await this.onTransact(options);
    }
    for (const write of transaction.writes) {
      if (write.write === 'set') {
        this.set(write.hashset, { [write.field]: write.value });
      }
    }
    return { applied: true, index: this.appliedIndex };
  }

  async readBarrier(options: RequestOptions): Promise<void> {
    this.barriers.push(options);
    await this.onBarrier?.(options);
  }

  onChange(listener: (change: StoreChange) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  statistics(): object {
    return { committedIndex: this.appliedIndex };
  }

  /** One applied transaction that sets fields of one hashset. */
  set(hashset: string, values: Readonly<Record<string, Uint8Array | string>>): void {
    const index = this.appliedIndex + 1;
    const fields = this.hashsetsByName.get(hashset) ?? new Map<string, FieldRecord>();
    this.hashsetsByName.set(hashset, fields);
    for (const [field, value] of Object.entries(values)) {
      const createdIndex = fields.get(field)?.createdIndex ?? index;
      fields.set(field, { value: Buffer.from(value as string), createdIndex, version: index });
    }
    this.change({
      index,
      hashsets: new Set([hashset]),
      fields: new Map([[hashset, new Set(Object.keys(values))]]),
    });
  }

  /** Tells of a change; everything up to it counts as applied. */
  change(change: StoreChange): void {
    this.appliedIndex = change.index;
    for (const listener of this.listeners) {
      listener(change);
    }
  }
}
