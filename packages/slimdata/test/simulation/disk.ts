import { strict as assert } from 'node:assert';
import type { LogBatch } from '../../src/log/log-store.ts';
import type { Entry, HardState, PersistEffect } from '../../src/raft/types.ts';
import type { EventQueue } from './event-queue.ts';
import type { Prng } from './prng.ts';
import type { DiskScenario } from './scenario.ts';

/** What a crash did to the batches that were not yet synced. */
export interface CrashOutcome {
  /** Batches that had reached the platter although nobody was told. */
  readonly kept: number;
  readonly lost: number;
  /** True when a lost batch would have removed entries: they are back after the restart. */
  readonly lostTruncation: boolean;
}

export interface DiskEvents {
  /** The platter changed, told to nobody yet. */
  readonly stored: (previous: HardState, next: HardState) => void;
  /** The store reports this batch; in order, after all of its group is on the platter. */
  readonly durable: (batch: PersistEffect) => void;
}

function applyBatch(log: Entry[], batch: LogBatch): void {
  if (batch.truncateFrom !== null) {
    assert.ok(
      batch.truncateFrom >= 1 && batch.truncateFrom <= log.length + 1,
      `truncation from ${batch.truncateFrom} is outside a log of ${log.length} entries`,
    );
    log.length = batch.truncateFrom - 1;
  }
  for (const entry of batch.entries) {
    assert.equal(entry.index, log.length + 1, 'an entry leaves a gap in the log that is written');
    log.push(entry);
  }
}

/**
 * The simulated log store of one member: batches are written strictly in order, all that are queued while one
 * fsync runs go into the next (group commit), and a batch counts only as a whole. Survives the member.
 */
export class Disk {
  hardState: HardState = { term: 0, votedFor: null };
  /** Entries that survive any crash. Read only for others. */
  durable: Entry[] = [];
  /** Entries as they will be once all queued batches are durable. Read only for others. */
  written: Entry[] = [];
  scenario: DiskScenario;
  readonly #queue: EventQueue;
  readonly #random: Prng;
  #queued: PersistEffect[] = [];
  #syncing: PersistEffect[] = [];
  /** Counts crashes, so that an fsync that was under way when the member died is not completed later. */
  #life = 0;
  readonly #events: DiskEvents;

  constructor(scenario: DiskScenario, queue: EventQueue, random: Prng, events: DiskEvents) {
    this.scenario = scenario;
    this.#queue = queue;
    this.#random = random;
    this.#events = events;
  }

  /** Number of batches not yet durable. */
  get pending(): number {
    return this.#queued.length + this.#syncing.length;
  }

  /** Hands over the next batch; returns at once. */
  append(batch: PersistEffect): void {
    applyBatch(this.written, batch);
    this.#queued.push(batch);
    if (this.#syncing.length === 0) {
      this.#startSync();
    }
  }

  /**
   * The member dies. Of the batches that were not synced a random prefix survives, the rest is gone (a batch
   * that was torn fails its checksum and is gone too).
   */
  crash(): CrashOutcome {
    const pending = [...this.#syncing, ...this.#queued];
    const kept = this.#random.chance(0.5) ? 0 : this.#random.integer(0, pending.length);
    for (const batch of pending.slice(0, kept)) {
      this.#store(batch);
    }
    this.#queued = [];
    this.#syncing = [];
    this.#life += 1;
    this.written = this.durable.slice();
    const lostTruncation = pending.slice(kept).some((batch) => batch.truncateFrom !== null);
    return { kept, lost: pending.length - kept, lostTruncation };
  }

  /** Puts something else on the platter of a member that is down: what a lying disk would do. */
  replace(hardState: HardState, entries: readonly Entry[]): void {
    this.hardState = hardState;
    this.durable = [...entries];
    this.written = [...entries];
  }

  #startSync(): void {
    const random = this.#random;
    const scenario = this.scenario;
    const life = this.#life;
    this.#syncing = this.#queued;
    this.#queued = [];
    let delay = random.integer(scenario.syncMin, scenario.syncMax);
    if (random.chance(scenario.stallRate)) {
      delay += random.integer(0, scenario.stallMax);
    }
    this.#queue.schedule(delay, () => {
      if (this.#life === life) {
        this.#finishSync();
      }
    });
  }

  #finishSync(): void {
    const synced = this.#syncing;
    this.#syncing = [];
    for (const batch of synced) {
      this.#store(batch);
    }
    if (this.#queued.length > 0) {
      this.#startSync();
    }
    const life = this.#life;
    for (const batch of synced) {
      // The member may die over the first of them.
      if (this.#life === life) {
        this.#events.durable(batch);
      }
    }
  }

  #store(batch: LogBatch): void {
    applyBatch(this.durable, batch);
    if (batch.hardState !== null) {
      const previous = this.hardState;
      this.hardState = batch.hardState;
      this.#events.stored(previous, batch.hardState);
    }
  }
}
