import assert from 'node:assert/strict';
import type { LogPosition } from './log-position.ts';
import type { LogBatch } from './log-store.ts';

export interface QueuedBatch {
  readonly batch: LogBatch;
  readonly bytes: number;
  /** Where the log stands behind it. */
  readonly position: LogPosition;
  readonly onDurable: () => void;
}

/** Batches that are not durable yet, in order. */
export class BatchQueue {
  readonly #groupBytesMax: number;
  #queue: QueuedBatch[] = [];
  #bytes = 0;

  /** A group takes further batches up to `groupBytesMax`, so that one write stays short however much is queued. */
  constructor(groupBytesMax: number) {
    this.#groupBytesMax = groupBytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#queue.length;
  }

  push(queued: QueuedBatch): void {
    this.#queue.push(queued);
    this.#bytes += queued.bytes;
  }

  /** At least one batch if there is any; more while they fit. They stay queued. */
  nextGroup(): QueuedBatch[] {
    let bytes = 0;
    let count = 0;
    for (const queued of this.#queue) {
      if (count > 0 && bytes + queued.bytes > this.#groupBytesMax) break;
      bytes += queued.bytes;
      count += 1;
    }
    return this.#queue.slice(0, count);
  }

  /** The group is durable. */
  drop(group: readonly QueuedBatch[]): void {
    for (const queued of this.#queue.splice(0, group.length)) this.#bytes -= queued.bytes;
  }

  clear(): void {
    this.#queue = [];
    this.#bytes = 0;
  }

  /** Entries at or below `index` are applied, so none of them can be about to be replaced. */
  assertKeeps(index: number): void {
    for (const { batch } of this.#queue) {
      assert(batch.truncateFrom === null || batch.truncateFrom > index, `entry ${index} is being replaced`);
    }
  }
}
