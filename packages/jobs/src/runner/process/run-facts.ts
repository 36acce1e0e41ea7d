import type { RunState } from '../runner.ts';
import type { ProcessIdentity } from './process-identity.ts';

/** What a supervisor must know; the content of `spec.json`, which makes a run exist. */
export interface RunSpec {
  readonly format: 1;
  readonly runName: string;
  readonly jobId: string;
  readonly jobName: string;
  /** Program, then its arguments. Never empty. */
  readonly command: readonly string[];
  /** Complete environment of the command, except `SLIMFAAS_ATTEMPT`. */
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly attemptsMax: number;
  readonly firstRetryDelayMs: number;
  readonly retryDelayMaxMs: number;
  /** From the start of the first attempt; null = no limit. */
  readonly activeDeadlineMs: number | null;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
  readonly logBytesMax: number;
}

/** An attempt was begun. Written before its command may run, so no attempt is ever begun twice. */
export interface AttemptBegun {
  readonly startedAt: number;
  /** Null = there was nothing to run (program not found). */
  readonly process: ProcessIdentity | null;
}

/** No process of the attempt is alive any more. */
export interface AttemptEnded {
  readonly finishedAt: number;
  /** Null = ended by a signal or lost. */
  readonly exitCode: number | null;
  /** It was made to end, so its exit code says nothing about the job. */
  readonly isInterrupted: boolean;
  /** How it ended, in words that follow "Attempt 2". */
  readonly reason: string;
}

/** Generation of supervisors: the next one may begin only when this process is dead. */
export interface SupervisorBegun {
  readonly process: ProcessIdentity;
}

/** How the run ended; the last fact of every run. */
export type Outcome = RunState;

/** Everything that is known of one run. */
export interface Run {
  readonly spec: RunSpec;
  readonly outcome: Outcome | null;
  readonly attempts: number;
  readonly firstStartedAt: number | null;
  readonly lastAttempt: AttemptBegun | null;
  /** End of the last attempt; null = it has not ended, or there is none. */
  readonly lastEnd: AttemptEnded | null;
  /** 0 = no supervisor so far. */
  readonly generation: number;
  readonly supervisor: ProcessIdentity | null;
}

/** Milliseconds between the end of attempt `attempts` and the next one: doubled each time, up to a bound. */
export function retryDelayMs(spec: RunSpec, attempts: number): number {
  return Math.min(spec.retryDelayMaxMs, spec.firstRetryDelayMs * 2 ** (attempts - 1));
}

/** The state that the rest of the product sees. */
export function runState(run: Run): RunState {
  if (run.outcome !== null) return run.outcome;
  const { spec, attempts, lastEnd } = run;
  return {
    runName: spec.runName,
    jobId: spec.jobId,
    jobName: spec.jobName,
    status: attempts === 0 ? 'Pending' : 'Running',
    startTimestamp: run.firstStartedAt ?? -1,
    finishTimestamp: -1,
    exitCode: null,
    reason: lastEnd === null ? null : waitingReason(spec, attempts, lastEnd),
    attempts,
  };
}

function waitingReason(spec: RunSpec, attempts: number, end: AttemptEnded): string {
  const ended = `Attempt ${attempts} of ${spec.attemptsMax} ${end.reason}`;
  if (end.exitCode === 0 || end.isInterrupted || attempts >= spec.attemptsMax) return `${ended}.`;
  const next = new Date(end.finishedAt + retryDelayMs(spec, attempts)).toISOString();
  return `${ended}; the next one begins at ${next}.`;
}
