import type { Store } from '@slimfaas/slimdata';
import type { Registry } from 'prom-client';
import type { Clock } from '../dispatch/clock.ts';
import type { JobDefinition } from '../model/job.ts';
import type { RandomBytes } from '../model/job-name.ts';
import type { JobQueue } from '../queue/job-queue.ts';
import type { JobRecords } from '../queue/job-records.ts';
import type { JobRemoval } from '../queue/job-removal.ts';
import type { Runner } from '../runner/runner.ts';

/** Longest waits of a request, milliseconds. */
export interface ApiDeadlines {
  readonly writeMs: number;
  readonly readMs: number;
  readonly deleteMs: number;
  readonly readyMs: number;
}

export const defaultApiDeadlines: ApiDeadlines = {
  writeMs: 10_000,
  readMs: 5000,
  deleteMs: 10_000,
  readyMs: 1000,
};

/** What the routes answer from. */
export interface ApiParts {
  readonly store: Store;
  readonly records: JobRecords;
  readonly queue: JobQueue;
  readonly removal: JobRemoval;
  readonly runner: Pick<Runner, 'kind' | 'logs'>;
  /** The definition that a job name goes by; a stand-in made of `Default` when none has it. */
  readonly definitionOf: (jobName: string) => JobDefinition;
  /** Bearer token that makes a caller internal; null = nothing does. */
  readonly internalToken: string | null;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly deadlines: ApiDeadlines;
}
