import { type Store, StoreError, type Write } from '@slimfaas/slimdata';
import { guardedTransaction } from './guarded-transaction.ts';
import { hashsetName, type Phase } from './hashset-name.ts';
import type { Report } from './job-event.ts';
import { encodeFinished, encodeRun } from './job-record.ts';
import type { JobRecords } from './job-records.ts';

/** `pending`: marked, but the leader has not ended it within the deadline; it will. */
export type RemovalOutcome = 'removed' | 'unknown' | 'pending';

export interface RemovalOptions {
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/**
 * Removes a job in whatever phase it is, on behalf of a caller on any member. A queued job goes at once. A run or a
 * finished job is marked, because only the leader talks to the platform; resolves when its record is gone.
 */
export class JobRemoval {
  readonly #store: Store;
  readonly #records: JobRecords;
  readonly #report: Report;

  constructor(store: Store, records: JobRecords, report: Report) {
    this.#store = store;
    this.#records = records;
    this.#report = report;
  }

  /** Twice equals once. A fired signal ends the waiting, not the removal. @throws StoreError */
  async remove(jobName: string, id: string, options: RemovalOptions): Promise<RemovalOutcome> {
    const deadline = AbortSignal.timeout(options.deadlineMs);
    const signal = AbortSignal.any([deadline, options.signal]);
    await this.#store.readBarrier({ deadlineMs: options.deadlineMs, signal: options.signal });
    let marked = false;
    while (!signal.aborted) {
      const phase = this.#records.phaseOf(jobName, id);
      if (phase === null) return marked ? 'removed' : 'unknown';
      const write = this.#removalWrite(phase, jobName, id);
      if (write === null) {
        marked = true;
        await this.#changed(hashsetName(phase, jobName), id, signal);
        continue;
      }
      const outcome = await this.#propose(phase, jobName, id, write, options);
      if (outcome === 'stale') continue;
      marked = true;
      if (write.write === 'delete') {
        this.#report({ event: 'job_removed', jobName, jobId: id, phase });
        return 'removed';
      }
    }
    if (marked) return 'pending';
    throw new StoreError('timeout', `Job "${id}" was not marked for removal before the deadline.`);
  }

  /** What removes the job, or asks the leader to; null = that was asked already. */
  #removalWrite(phase: Phase, jobName: string, id: string): Write | null {
    const hashset = hashsetName(phase, jobName);
    const remove: Write = { write: 'delete', hashset, field: id };
    if (phase === 'Queue') return remove;
    if (phase === 'Run') {
      const run = this.#records.run(jobName, id);
      // A record that nobody can decode names no run; what runs is then removed as an orphan.
      if (run === undefined) return remove;
      if (run.record.deleting) return null;
      return { write: 'set', hashset, field: id, value: encodeRun({ ...run.record, deleting: true }) };
    }
    const finished = this.#records.finishedJob(jobName, id);
    if (finished === undefined) return remove;
    if (finished.record.deleting) return null;
    return {
      write: 'set',
      hashset,
      field: id,
      value: encodeFinished({ ...finished.record, deleting: true }),
    };
  }

  #propose(
    phase: Phase,
    jobName: string,
    id: string,
    write: Write,
    options: RemovalOptions,
  ): Promise<'applied' | 'stale'> {
    const hashset = hashsetName(phase, jobName);
    const version = this.#store.view.get(hashset, id)?.version;
    if (version === undefined) return Promise.resolve('stale');
    const check = { check: 'version', hashset, field: id, version } as const;
    return guardedTransaction(this.#store, [['stale', check]], [write], options);
  }

  /** Resolves when the field is gone or `signal` fires. */
  #changed(hashset: string, id: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        end();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const end = this.#store.onChange(({ hashsets }) => {
        if (hashsets.has(hashset) && this.#store.view.get(hashset, id) === undefined) done();
      });
      signal.addEventListener('abort', done);
      if (signal.aborted || this.#store.view.get(hashset, id) === undefined) done();
    });
  }
}
