import type { FieldRecord, StateView, Store } from '@slimfaas/slimdata';
import { hashsetName, type Phase } from './hashset-name.ts';
import type { Report } from './job-event.ts';
import {
  decodeFinished,
  decodeQueued,
  decodeRun,
  type FinishedRecord,
  type QueuedRecord,
  type RunRecord,
} from './job-record.ts';

/** A record as read, with what the next transaction on it must check. */
export interface Stored<R> {
  readonly record: R;
  /** Log index of its last write. */
  readonly version: number;
  /** Log index of the write that put it into its hashset: first-in-first-out order. */
  readonly createdIndex: number;
}

/** Most undecodable records remembered as reported; beyond, they are reported again. */
const reportedMax = 1000;

/**
 * Reads job records from the applied state of this member. A record that cannot be decoded never stops the others:
 * it is left out, and reported once.
 */
export class JobRecords {
  readonly #store: Pick<Store, 'view'>;
  readonly #report: Report;
  readonly #reported = new Set<string>();
  /** Values are immutable and stay the store's, so what was decoded once is good for as long as they live. */
  readonly #decodeRun = remembering(decodeRun);
  readonly #decodeFinished = remembering(decodeFinished);

  constructor(store: Pick<Store, 'view'>, report: Report) {
    this.#store = store;
    this.#report = report;
  }

  get view(): StateView {
    return this.#store.view;
  }

  /** Phase that holds the job, decodable or not; null when there is none. */
  phaseOf(jobName: string, id: string): Phase | null {
    const phases: readonly Phase[] = ['Queue', 'Run', 'History'];
    return phases.find((phase) => this.view.get(hashsetName(phase, jobName), id) !== undefined) ?? null;
  }

  /** Oldest first. Do not hold the iterator across an await. */
  queued(jobName: string): Iterable<Stored<QueuedRecord>> {
    return this.#all(hashsetName('Queue', jobName), decodeQueued);
  }

  runs(jobName: string): Iterable<Stored<RunRecord>> {
    return this.#all(hashsetName('Run', jobName), this.#decodeRun);
  }

  finished(jobName: string): Iterable<Stored<FinishedRecord>> {
    return this.#all(hashsetName('History', jobName), this.#decodeFinished);
  }

  queuedJob(jobName: string, id: string): Stored<QueuedRecord> | undefined {
    return this.#one(hashsetName('Queue', jobName), id, decodeQueued);
  }

  run(jobName: string, id: string): Stored<RunRecord> | undefined {
    return this.#one(hashsetName('Run', jobName), id, this.#decodeRun);
  }

  finishedJob(jobName: string, id: string): Stored<FinishedRecord> | undefined {
    return this.#one(hashsetName('History', jobName), id, this.#decodeFinished);
  }

  *#all<R>(hashset: string, decode: (value: Uint8Array) => R): Iterable<Stored<R>> {
    for (const [id, field] of this.view.entries(hashset)) {
      const stored = this.#decode(hashset, id, field, decode);
      if (stored !== undefined) yield stored;
    }
  }

  #one<R>(hashset: string, id: string, decode: (value: Uint8Array) => R): Stored<R> | undefined {
    const field = this.view.get(hashset, id);
    return field === undefined ? undefined : this.#decode(hashset, id, field, decode);
  }

  #decode<R>(
    hashset: string,
    id: string,
    field: FieldRecord,
    decode: (value: Uint8Array) => R,
  ): Stored<R> | undefined {
    try {
      return { record: decode(field.value), version: field.version, createdIndex: field.createdIndex };
    } catch (cause) {
      const key = `${hashset}/${id}@${field.version}`;
      if (!this.#reported.has(key)) {
        if (this.#reported.size >= reportedMax) this.#reported.clear();
        this.#reported.add(key);
        const error = cause instanceof Error ? cause : new Error(String(cause));
        this.#report({ event: 'record_undecodable', hashset, field: id, error });
      }
      return undefined;
    }
  }
}

function remembering<R>(decode: (value: Uint8Array) => R): (value: Uint8Array) => R {
  const decoded = new WeakMap<Uint8Array, { readonly record: R }>();
  return (value) => {
    const known = decoded.get(value) ?? { record: decode(value) };
    decoded.set(value, known);
    return known.record;
  };
}
