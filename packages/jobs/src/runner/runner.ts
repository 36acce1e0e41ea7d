import type { Readable } from 'node:stream';
import type { Job, JobStatus } from '../model/job.ts';

/** What a platform says of one run. */
export interface RunState {
  readonly runName: string;
  readonly jobId: string;
  readonly jobName: string;
  readonly status: Exclude<JobStatus, 'Queued'>;
  /** Unix milliseconds; -1 = not yet. */
  readonly startTimestamp: number;
  readonly finishTimestamp: number;
  /** Exit code of the last attempt; null = none (not finished, or ended by a signal). */
  readonly exitCode: number | null;
  /** One sentence on why it is in this state, for the user; null = nothing to say. */
  readonly reason: string | null;
  /** Attempts begun so far, 1 = no retry yet. */
  readonly attempts: number;
}

export type StartOutcome =
  /** The run exists, whoever created it. */
  | { readonly started: true }
  /** It does not, and will not by itself. `permanent`: asking again with the same spec cannot help. */
  | { readonly started: false; readonly permanent: boolean; readonly reason: string }
  /** The run name belongs to another job; choose another name, record it, start again. */
  | { readonly started: false; readonly nameTaken: true };

/**
 * One platform. Every operation is idempotent by run name; none assumes that this member began the run.
 * Operating errors (platform unreachable) are thrown as `RunnerError`; the caller backs off and tries again.
 */
export interface Runner {
  readonly kind: 'Process' | 'Docker' | 'Kubernetes';

  /**
   * Reports every state change of every run of ours on the platform, also of runs that others began, until `close`.
   * The first report of each existing run comes before `open` resolves.
   */
  open(onState: (state: RunState) => void): Promise<void>;

  /** Creates the run unless it exists. */
  start(job: Job): Promise<StartOutcome>;

  /** All runs of ours that exist on the platform now. */
  list(): Promise<readonly RunState[]>;

  /** Ends the run: graceful signal, then forced. Resolves when none of its processes is alive; true if it existed. */
  cancel(runName: string): Promise<boolean>;

  /** Removes what is left of a run that has ended (logs included). No error if there is nothing. */
  remove(runName: string): Promise<void>;

  /** Output of the run, oldest first; `follow` ends when the run has ended. Null = there is none. */
  logs(
    runName: string,
    options: { readonly follow: boolean; readonly signal: AbortSignal },
  ): Promise<Readable | null>;

  /** Stops watching. Runs go on. */
  close(): Promise<void>;
}

/** Codes: `unreachable` (platform does not answer), `refused` (it answers no for a passing reason). */
export class RunnerError extends Error {
  readonly code: 'unreachable' | 'refused';

  constructor(code: 'unreachable' | 'refused', message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RunnerError';
    this.code = code;
  }
}
