import type { MemberName, RequestOptions, Store, Write } from '@slimfaas/slimdata';
import type { Job } from '../model/job.ts';
import { type Guard, guardedTransaction } from './guarded-transaction.ts';
import { hashsetName, unknownNamesHashset } from './hashset-name.ts';
import type { Report } from './job-event.ts';
import {
  encodeFinished,
  encodeQueued,
  encodeRun,
  type FinishedRecord,
  type QueuedRecord,
  type RunRecord,
} from './job-record.ts';
import type { Stored } from './job-records.ts';

/** Most job names in use at once that no definition names. */
export const unknownNamesMax = 1000;
/** Tries of an enqueue that meets the release of its unknown name. */
const enqueueTriesMax = 5;

export interface EnqueueLimits {
  /** Most queued jobs of this name. */
  readonly queueLimit: number;
  /** True when a definition has this name; false = it falls back to `Default` and counts as unknown. */
  readonly configured: boolean;
}

export type EnqueueOutcome = 'applied' | 'exists' | 'queue_full' | 'too_many_names' | 'name_released';

/** The fence of leader-only transactions: who writes, in which term. */
export interface Claimant {
  readonly member: MemberName;
  readonly term: number;
}

/** `stale`: the record changed meanwhile, read again. `superseded`: another term has begun. */
export type ClaimOutcome = 'applied' | 'stale' | 'full' | 'superseded';
export type RunOutcome = 'applied' | 'stale' | 'superseded';

/** What a job ended with. */
export type JobEnding = Pick<
  FinishedRecord,
  'status' | 'startTimestamp' | 'finishTimestamp' | 'recordedTimestamp' | 'exitCode' | 'attempts' | 'reason'
>;

/**
 * The arrows of a job's life, each one transaction:
 *
 *     enqueue          claim             finish              expire
 *     ------> Queue:* ------> Run:* ------------> History:* -------->
 *               |               | rename, update      |
 *               '---------------+--- remove ----------'
 *
 * An arrow deletes where the job was and writes where it is, so a job is in exactly one phase, counts are sizes, and
 * the cap of a name is a check of its claim.
 */
export class JobQueue {
  readonly #store: Store;
  readonly #report: Report;

  constructor(store: Store, report: Report) {
    this.#store = store;
    this.#report = report;
  }

  /**
   * Appends the job to its queue; durable on a majority once this resolves. The id may have been accepted before
   * (`exists`): nothing is written then. @throws StoreError
   */
  async enqueue(
    job: Job,
    limits: EnqueueLimits,
    options?: RequestOptions,
  ): Promise<Exclude<EnqueueOutcome, 'name_released'>> {
    for (let tries = 1; ; tries += 1) {
      const outcome = await this.#tryEnqueue(job, limits, options);
      if (outcome === 'applied') {
        this.#report({ event: 'job_accepted', jobName: job.name, jobId: job.id });
      }
      if (outcome !== 'name_released') return outcome;
      if (tries >= enqueueTriesMax) return 'too_many_names';
    }
  }

  async #tryEnqueue(job: Job, limits: EnqueueLimits, options?: RequestOptions): Promise<EnqueueOutcome> {
    const queue = hashsetName('Queue', job.name);
    const guards: Guard<EnqueueOutcome>[] = [
      ['exists', { check: 'absent', hashset: queue, field: job.id }],
      ['exists', { check: 'absent', hashset: hashsetName('Run', job.name), field: job.id }],
      ['exists', { check: 'absent', hashset: hashsetName('History', job.name), field: job.id }],
      ['queue_full', { check: 'smaller', hashset: queue, count: limits.queueLimit }],
    ];
    const value = encodeQueued({ job });
    const writes: Write[] = [{ write: 'set', hashset: queue, field: job.id, value }];
    if (!limits.configured) {
      const known = this.#store.view.get(unknownNamesHashset, job.name);
      const name = { hashset: unknownNamesHashset, field: job.name };
      if (known === undefined) {
        guards.push(['name_released', { check: 'absent', ...name }]);
        const check = { check: 'smaller', hashset: unknownNamesHashset, count: unknownNamesMax } as const;
        guards.push(['too_many_names', check]);
        writes.push({ write: 'set', ...name, value: new Uint8Array(0) });
      } else {
        guards.push(['name_released', { check: 'version', ...name, version: known.version }]);
      }
    }
    return guardedTransaction(this.#store, guards, writes, options);
  }

  /** Moves the jobs, all of one name, from queue to run, all or none, unless that exceeds the name's cap. */
  async claim(
    queued: readonly Stored<QueuedRecord>[],
    numberParallelJob: number,
    claimant: Claimant,
    options?: RequestOptions,
  ): Promise<ClaimOutcome> {
    const jobName = queued[0]?.record.job.name;
    if (jobName === undefined) return 'stale';
    const queue = hashsetName('Queue', jobName);
    const run = hashsetName('Run', jobName);
    const guards: Guard<ClaimOutcome>[] = [
      ['superseded', { check: 'term', term: claimant.term }],
      ['full', { check: 'smaller', hashset: run, count: numberParallelJob - queued.length + 1 }],
    ];
    const writes: Write[] = [];
    for (const { record, version, createdIndex } of queued) {
      const { job } = record;
      guards.push(['stale', { check: 'version', hashset: queue, field: job.id, version }]);
      writes.push({ write: 'delete', hashset: queue, field: job.id });
      const value = encodeRun({
        job,
        order: createdIndex,
        owner: claimant,
        status: 'Pending',
        startTimestamp: -1,
        attempts: 0,
        reason: null,
        deleting: false,
      });
      writes.push({ write: 'set', hashset: run, field: job.id, value });
    }
    const outcome = await guardedTransaction(this.#store, guards, writes, options);
    if (outcome !== 'applied') return outcome;
    for (const { record } of queued) {
      this.#report({ event: 'job_claimed', jobName, jobId: record.job.id, term: claimant.term });
    }
    return outcome;
  }

  /** Writes what is now known of the run (status, start, attempts, reason, or a new run name). */
  async updateRun(
    run: Stored<RunRecord>,
    change: Partial<Pick<RunRecord, 'job' | 'status' | 'startTimestamp' | 'attempts' | 'reason'>>,
    claimant: Claimant,
    options?: RequestOptions,
  ): Promise<RunOutcome> {
    const record: RunRecord = { ...run.record, ...change, owner: claimant };
    const { id, name } = run.record.job;
    const hashset = hashsetName('Run', name);
    return guardedTransaction<RunOutcome>(
      this.#store,
      runGuards(run, claimant),
      [{ write: 'set', hashset, field: id, value: encodeRun(record) }],
      options,
    );
  }

  /** Ends the job: its slot is free and its outcome can be read, both at once. */
  async finish(
    run: Stored<RunRecord>,
    ending: JobEnding,
    claimant: Claimant,
    options?: RequestOptions,
  ): Promise<RunOutcome> {
    const { job, order } = run.record;
    const value = encodeFinished({ job, order, deleting: false, ...ending });
    const outcome = await guardedTransaction<RunOutcome>(
      this.#store,
      runGuards(run, claimant),
      [
        { write: 'delete', hashset: hashsetName('Run', job.name), field: job.id },
        { write: 'set', hashset: hashsetName('History', job.name), field: job.id, value },
      ],
      options,
    );
    if (outcome === 'applied') {
      const { status, exitCode, reason } = ending;
      const ids = { jobName: job.name, jobId: job.id };
      this.#report({ event: 'job_finished', ...ids, outcome: status, exitCode, reason });
    }
    return outcome;
  }

  /** Removes the record of a run that is being deleted and whose processes are gone. */
  async dropRun(run: Stored<RunRecord>, claimant: Claimant, options?: RequestOptions): Promise<RunOutcome> {
    const { id, name } = run.record.job;
    const hashset = hashsetName('Run', name);
    const writes: Write[] = [{ write: 'delete', hashset, field: id }];
    const outcome = await guardedTransaction(this.#store, runGuards(run, claimant), writes, options);
    if (outcome === 'applied') {
      this.#report({ event: 'job_removed', jobName: name, jobId: id, phase: 'Run' });
    }
    return outcome;
  }

  /** Removes finished records whose platform resources are gone, in one transaction. */
  async dropFinished(
    jobName: string,
    finished: readonly Stored<FinishedRecord>[],
    claimant: Claimant,
    options?: RequestOptions,
  ): Promise<'applied' | 'superseded'> {
    const hashset = hashsetName('History', jobName);
    const guards: Guard<'superseded'>[] = [['superseded', { check: 'term', term: claimant.term }]];
    const writes = finished.map(({ record }): Write => ({ write: 'delete', hashset, field: record.job.id }));
    const outcome = await guardedTransaction(this.#store, guards, writes, options);
    if (outcome !== 'applied') return outcome;
    for (const { record } of finished) {
      const ids = { jobName, jobId: record.job.id };
      if (record.deleting) this.#report({ event: 'job_removed', ...ids, phase: 'History' });
      else this.#report({ event: 'job_expired', ...ids });
    }
    return outcome;
  }

  /** Gives an unknown name's place back once no job of that name is left in any phase. */
  async releaseName(jobName: string, claimant: Claimant, options?: RequestOptions): Promise<void> {
    const { view } = this.#store;
    const phases = (['Queue', 'Run', 'History'] as const).map((phase) => hashsetName(phase, jobName));
    if (view.get(unknownNamesHashset, jobName) === undefined) return;
    if (phases.some((hashset) => view.size(hashset) > 0)) return;
    const inUse = phases.map((hashset): Guard<'in_use'> => ['in_use', { check: 'empty', hashset }]);
    await guardedTransaction<'in_use' | 'superseded'>(
      this.#store,
      [['superseded', { check: 'term', term: claimant.term }], ...inUse],
      [{ write: 'delete', hashset: unknownNamesHashset, field: jobName }],
      options,
    );
  }
}

function runGuards(run: Stored<RunRecord>, claimant: Claimant): Guard<RunOutcome>[] {
  const { id, name } = run.record.job;
  const hashset = hashsetName('Run', name);
  return [
    ['superseded', { check: 'term', term: claimant.term }],
    ['stale', { check: 'version', hashset, field: id, version: run.version }],
  ];
}
