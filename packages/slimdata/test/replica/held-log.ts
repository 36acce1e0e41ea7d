import type { LogBatch, LogStore } from '../../src/log/log-store.ts';
import type { Entry, HardState } from '../../src/raft/types.ts';

/** A log in memory whose disk can be held up: nothing becomes durable before `release`. */
export class HeldLog implements LogStore {
  /** Batches as they were handed over. */
  readonly batches: LogBatch[] = [];
  isHeld = false;
  isClosed = false;
  hardState: HardState = { term: 0, votedFor: null };
  entries: Entry[] = [];
  #waiting: { readonly batch: LogBatch; readonly onDurable: () => void }[] = [];

  append(batch: LogBatch, onDurable: () => void): void {
    this.batches.push(batch);
    this.#waiting.push({ batch, onDurable });
  }

  /** Makes what waits durable, unless the disk is held. Returns whether anything was. */
  flush(): boolean {
    if (this.isHeld || this.#waiting.length === 0) return false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { batch, onDurable } of waiting) {
      this.#write(batch);
      onDurable();
    }
    return true;
  }

  /** A crash: what was not durable is gone. */
  crash(): void {
    this.#waiting = [];
  }

  removeBefore(): void {
    // Nothing is removed: what a restart reads is the whole log.
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  #write({ hardState, truncateFrom, entries }: LogBatch): void {
    if (truncateFrom !== null) this.entries.length = truncateFrom - 1;
    this.entries.push(...entries);
    this.hardState = hardState ?? this.hardState;
  }
}
