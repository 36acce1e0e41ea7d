import type { FinishedRecord } from '../queue/job-record.ts';
import type { Stored } from '../queue/job-records.ts';
import { RunnerError } from '../runner/runner.ts';
import { withDeadline } from './deadline.ts';
import type { LeaderTerm } from './leader-term.ts';

/** Most records removed in one transaction. */
const expiredMax = 50;
/** History limit of a name that has no definition just now. */
const historyLimitDefault = 100;

/**
 * Removes finished jobs whose TTL has passed, that are beyond their name's `HistoryLimit` (oldest first), or that a
 * caller deleted: first what is left of the run on the platform, then the record. So a crash in between repeats the
 * removal and forgets nothing.
 */
export class ExpiryWork {
  readonly #term: LeaderTerm;

  constructor(term: LeaderTerm) {
    this.#term = term;
  }

  /** Looks at one job name. Answers when to look again by itself. @throws StoreError | RunnerError */
  async pass(jobName: string): Promise<number | null> {
    const { queue, claimant, clock, times, signal } = this.#term;
    const now = clock.now();
    const { due, more, nextAt } = this.#due(jobName, now);
    const removed: Stored<FinishedRecord>[] = [];
    let failure: unknown = null;
    for (const finished of due) {
      if (signal.aborted) return null;
      try {
        await this.#removeRun(finished.record.job.runName);
        removed.push(finished);
      } catch (cause) {
        failure ??= cause;
      }
    }
    const options = { deadlineMs: times.transactionDeadlineMs, signal };
    if (removed.length > 0) await queue.dropFinished(jobName, removed, claimant, options);
    if (failure instanceof Error) throw failure;
    await queue.releaseName(jobName, claimant, options);
    if (more) return 0;
    return nextAt === null ? null : nextAt - now;
  }

  #due(
    jobName: string,
    now: number,
  ): { due: Stored<FinishedRecord>[]; more: boolean; nextAt: number | null } {
    const { records, findDefinition } = this.#term;
    const historyLimit = findDefinition(jobName)?.historyLimit ?? historyLimitDefault;
    const all = [...records.finished(jobName)];
    let surplus = all.length - historyLimit;
    const due: Stored<FinishedRecord>[] = [];
    let nextAt: number | null = null;
    for (const finished of all) {
      const dueAt = dueTime(finished.record);
      if (dueAt <= now || surplus > 0) {
        if (due.length >= expiredMax) return { due, more: true, nextAt: null };
        due.push(finished);
      } else if (nextAt === null || dueAt < nextAt) nextAt = dueAt;
      surplus -= 1;
    }
    return { due, more: false, nextAt };
  }

  async #removeRun(runName: string): Promise<void> {
    const { runner, states, times, clock } = this.#term;
    await withDeadline(runner.remove(runName), times.platformDeadlineMs, clock, () => {
      return new RunnerError('unreachable', `Run "${runName}" could not be removed in time.`);
    });
    states.forget(runName);
  }
}

/** When the record is to go; Unix milliseconds. */
function dueTime({ job, deleting, finishTimestamp, recordedTimestamp }: FinishedRecord): number {
  if (deleting) return 0;
  return Math.max(finishTimestamp, recordedTimestamp) + job.spec.ttlSecondsAfterFinished * 1000;
}
