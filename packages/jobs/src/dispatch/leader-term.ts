import type { Store } from '@slimfaas/slimdata';
import type { JobDefinition } from '../model/job.ts';
import type { Report } from '../queue/job-event.ts';
import type { Claimant, JobQueue } from '../queue/job-queue.ts';
import type { JobRecords } from '../queue/job-records.ts';
import type { Runner } from '../runner/runner.ts';
import type { Backoff } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { RunStates } from './run-states.ts';

/** Times of the leader's work; each has a reason beside it. */
export interface DispatchTimes {
  /** Rest of a key whose pass failed unexpectedly. */
  readonly failureBackoff: Backoff;
  /** Rest of a job whose start the platform refused for a passing reason. */
  readonly startBackoff: Backoff;
  /** A platform call that takes longer counts as unanswered. */
  readonly platformDeadlineMs: number;
  /** A transaction of the leader that takes longer is given up and decided anew. */
  readonly transactionDeadlineMs: number;
  /** Everything is looked at again this often, in case a wake was missed. */
  readonly reconcileIntervalMs: number;
  /** A run without a record is left alone for this long. */
  readonly orphanGraceMs: number;
  /** Listings that must miss a run that was begun before it counts as lost. */
  readonly lostListings: number;
}

export const defaultDispatchTimes: DispatchTimes = {
  failureBackoff: { minMs: 100, maxMs: 5000 },
  startBackoff: { minMs: 500, maxMs: 30_000 },
  platformDeadlineMs: 60_000,
  transactionDeadlineMs: 10_000,
  reconcileIntervalMs: 5000,
  orphanGraceMs: 60_000,
  lostListings: 3,
};

/** The definition that a job name goes by; null = none just now, its queued jobs wait. */
type FindDefinition = (jobName: string) => JobDefinition | null;

/** What every part of the leader's work is given. */
export interface LeaderTerm {
  readonly store: Store;
  readonly records: JobRecords;
  readonly queue: JobQueue;
  readonly runner: Runner;
  readonly states: RunStates;
  readonly findDefinition: FindDefinition;
  /** A fresh run name for a job of this name. */
  readonly createRunName: (jobName: string) => string;
  readonly clock: Clock;
  readonly report: Report;
  readonly times: DispatchTimes;
  readonly claimant: Claimant;
  /** Fires when the term is over: nothing new may begin. */
  readonly signal: AbortSignal;
}
