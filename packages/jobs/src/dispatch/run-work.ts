import type { JobEnding, RunOutcome } from '../queue/job-queue.ts';
import type { RunRecord } from '../queue/job-record.ts';
import type { Stored } from '../queue/job-records.ts';
import { RunnerError, type RunState, type StartOutcome } from '../runner/runner.ts';
import { backoffDelayMs } from './backoff.ts';
import { withDeadline } from './deadline.ts';
import type { LeaderTerm } from './leader-term.ts';

/** What this term remembers of one run beyond its record. */
interface Memory {
  /** Starts refused for a passing reason, in a row. */
  refusals: number;
  /** No start before this time; Unix milliseconds. */
  notBefore: number;
  /** The platform said in this term that the run exists. */
  begun: boolean;
  /** Number of the listing after which the run was first missed; null = it is not missed. */
  missedSince: number | null;
}

/** Names one run among all. */
export function runKey(jobName: string, id: string): string {
  return `${jobName}/${id}`;
}

/** The job name of a run's key. */
export function jobNameOfRunKey(key: string): string {
  return key.slice(0, key.indexOf('/'));
}

/**
 * Brings one claimed job from where it is to where it should be: starts its run unless the platform knows it, takes
 * the run's state over into the record, ends the job with the run, cancels it when it is being deleted. Every step
 * starts from the record and the platform as they are, so a new leader simply goes on, whatever the old one had done.
 */
export class RunWork {
  readonly #term: LeaderTerm;
  readonly #memories = new Map<string, Memory>();

  constructor(term: LeaderTerm) {
    this.#term = term;
  }

  /** Looks at one run. Answers when to look again by itself. @throws StoreError | RunnerError */
  async pass(key: string): Promise<number | null> {
    const { records, states } = this.#term;
    const jobName = jobNameOfRunKey(key);
    const run = records.run(jobName, key.slice(jobName.length + 1));
    if (run === undefined) {
      this.#memories.delete(key);
      return null;
    }
    // Before the first listing, a run of an earlier term could be taken for one that never began.
    if (states.listings === 0) return null;
    if (run.record.deleting) return this.#delete(key, run);
    const state = states.get(run.record.job.runName);
    if (state === undefined) return this.#begin(key, run);
    if (state.jobId !== run.record.job.id) return this.#rename(key, run);
    return this.#follow(key, run, state);
  }

  async #delete(key: string, run: Stored<RunRecord>): Promise<number | null> {
    const { runner, states, queue, claimant } = this.#term;
    const { runName } = run.record.job;
    await this.#platform(runner.cancel(runName));
    await this.#platform(runner.remove(runName));
    states.forget(runName);
    return this.#ended(key, await queue.dropRun(run, claimant, this.#options()));
  }

  async #follow(key: string, run: Stored<RunRecord>, state: RunState): Promise<number | null> {
    const { queue, claimant } = this.#term;
    const { record } = run;
    const { status, startTimestamp, attempts, reason } = state;
    const memory = this.#memory(key);
    memory.begun = true;
    memory.missedSince = null;
    if (status === 'Succeeded' || status === 'Failed' || state.finishTimestamp !== -1) {
      return this.#finish(key, run, state);
    }
    const same = record.status === status && record.startTimestamp === startTimestamp;
    if (same && record.attempts === attempts && record.reason === reason) return null;
    const change = { status, startTimestamp, attempts, reason };
    return this.#next(await queue.updateRun(run, change, claimant, this.#options()));
  }

  async #begin(key: string, run: Stored<RunRecord>): Promise<number | null> {
    const memory = this.#memory(key);
    if (memory.begun || run.record.startTimestamp !== -1) return this.#miss(key, memory, run);
    const now = this.#term.clock.now();
    if (memory.notBefore > now) return memory.notBefore - now;
    if (this.#term.signal.aborted) return null;
    const { job } = run.record;
    const outcome = await this.#start(run);
    if ('nameTaken' in outcome) return this.#rename(key, run);
    if (outcome.started) {
      memory.begun = true;
      memory.refusals = 0;
      this.#term.report({ event: 'job_started', jobName: job.name, jobId: job.id, runName: job.runName });
      return null;
    }
    if (!outcome.permanent) return this.#backOff(memory, run, outcome.reason);
    this.#reportRefusal(run, outcome.reason, null);
    return this.#finish(key, run, failedNow(run.record, this.#term.clock.now(), outcome.reason));
  }

  /** A platform that fails has refused for a passing reason. */
  async #start(run: Stored<RunRecord>): Promise<StartOutcome> {
    const { job } = run.record;
    try {
      return await this.#platform(this.#term.runner.start(job));
    } catch (cause) {
      if (cause instanceof RunnerError) return { started: false, permanent: false, reason: cause.message };
      const error = cause instanceof Error ? cause : new Error(String(cause));
      const key = runKey(job.name, job.id);
      this.#term.report({ event: 'work_failed', work: 'start', key, error, retryAfterMs: 0 });
      const reason = 'The platform failed to start it for a reason that the log of the leader tells.';
      return { started: false, permanent: false, reason };
    }
  }

  async #backOff(memory: Memory, run: Stored<RunRecord>, reason: string): Promise<number | null> {
    const { queue, claimant, clock, times } = this.#term;
    memory.refusals += 1;
    const delayMs = backoffDelayMs(times.startBackoff, memory.refusals);
    memory.notBefore = clock.now() + delayMs;
    this.#reportRefusal(run, reason, delayMs);
    if (run.record.reason !== reason) await queue.updateRun(run, { reason }, claimant, this.#options());
    return delayMs;
  }

  /** Another job owns the run name: choose one anew, and record it before it is used. */
  async #rename(key: string, run: Stored<RunRecord>): Promise<number | null> {
    const { queue, claimant, createRunName, report, clock, times } = this.#term;
    const memory = this.#memory(key);
    memory.refusals += 1;
    memory.notBefore = clock.now() + backoffDelayMs(times.startBackoff, memory.refusals);
    const { id, name } = run.record.job;
    const runName = createRunName(name);
    const job = { ...run.record.job, runName };
    const outcome = await queue.updateRun(run, { job }, claimant, this.#options());
    if (outcome === 'applied') report({ event: 'job_run_renamed', jobName: name, jobId: id, runName });
    return this.#next(outcome);
  }

  /** It had begun, and the platform does not show it (any more): never start it twice. */
  async #miss(key: string, memory: Memory, run: Stored<RunRecord>): Promise<number | null> {
    const { states, times, clock } = this.#term;
    memory.missedSince ??= states.listings;
    if (states.listings - memory.missedSince < times.lostListings) return null;
    const { runName } = run.record.job;
    const reason = `Its run "${runName}" is no longer on the platform, and how it ended is not known.`;
    return this.#finish(key, run, failedNow(run.record, clock.now(), reason));
  }

  async #finish(
    key: string,
    run: Stored<RunRecord>,
    state: Omit<RunState, 'runName' | 'jobId' | 'jobName'>,
  ): Promise<number | null> {
    const { queue, claimant, clock } = this.#term;
    const now = clock.now();
    const { status, startTimestamp, exitCode, attempts, reason } = state;
    const ending: JobEnding = {
      status,
      startTimestamp,
      finishTimestamp: state.finishTimestamp === -1 ? now : state.finishTimestamp,
      recordedTimestamp: now,
      exitCode,
      attempts,
      reason,
    };
    return this.#ended(key, await queue.finish(run, ending, claimant, this.#options()));
  }

  #reportRefusal(run: Stored<RunRecord>, reason: string, retryAfterMs: number | null): void {
    const { id, name } = run.record.job;
    this.#term.report({ event: 'job_start_refused', jobName: name, jobId: id, reason, retryAfterMs });
  }

  #memory(key: string): Memory {
    let memory = this.#memories.get(key);
    if (memory === undefined) {
      memory = { refusals: 0, notBefore: 0, begun: false, missedSince: null };
      this.#memories.set(key, memory);
    }
    return memory;
  }

  /** A record that is gone wakes nobody, so what is remembered of it goes with it. */
  #ended(key: string, outcome: RunOutcome): number | null {
    if (outcome === 'applied') this.#memories.delete(key);
    return this.#next(outcome);
  }

  #next(outcome: RunOutcome): number | null {
    return outcome === 'stale' ? 0 : null;
  }

  #options(): { deadlineMs: number; signal: AbortSignal } {
    return { deadlineMs: this.#term.times.transactionDeadlineMs, signal: this.#term.signal };
  }

  #platform<T>(call: Promise<T>): Promise<T> {
    const { times, clock } = this.#term;
    return withDeadline(call, times.platformDeadlineMs, clock, () => {
      const message = `The platform did not answer within ${times.platformDeadlineMs / 1000} s.`;
      return new RunnerError('unreachable', message);
    });
  }
}

function failedNow(
  record: RunRecord,
  now: number,
  reason: string,
): Omit<RunState, 'runName' | 'jobId' | 'jobName'> {
  const { startTimestamp, attempts } = record;
  return { status: 'Failed', startTimestamp, finishTimestamp: now, exitCode: null, reason, attempts };
}
