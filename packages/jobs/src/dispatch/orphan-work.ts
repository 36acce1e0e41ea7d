import { RunnerError, type RunState } from '../runner/runner.ts';
import { withDeadline } from './deadline.ts';
import type { LeaderTerm } from './leader-term.ts';

/** Most orphans remembered and removed at once; the rest is found by a later listing. */
const suspectsMax = 1000;
const removedMax = 20;

/**
 * Removes runs that carry our labels but have no record in any phase, e.g. begun by a leader that lost its term at
 * that moment. A run is only suspected at first; when it still has no record after the grace, and after a barrier
 * that excludes a stale view, it is ended and removed.
 */
export class OrphanWork {
  readonly #term: LeaderTerm;
  /** Run name -> when it was first seen without a record; Unix milliseconds. */
  readonly #suspects = new Map<string, number>();

  constructor(term: LeaderTerm) {
    this.#term = term;
  }

  /** Takes a complete listing of the platform. @throws StoreError | RunnerError */
  async inspect(listed: readonly RunState[]): Promise<void> {
    const { store, clock, times, signal } = this.#term;
    const now = clock.now();
    const orphans = listed.filter((state) => this.#isOrphan(state));
    const names = new Set(orphans.map((state) => state.runName));
    for (const name of this.#suspects.keys()) if (!names.has(name)) this.#suspects.delete(name);
    for (const name of names) {
      if (this.#suspects.size < suspectsMax && !this.#suspects.has(name)) this.#suspects.set(name, now);
    }
    const due = orphans.filter(
      ({ runName }) => now - (this.#suspects.get(runName) ?? now) >= times.orphanGraceMs,
    );
    if (due.length === 0) return;
    await store.readBarrier({ deadlineMs: times.transactionDeadlineMs, signal });
    for (const state of due.slice(0, removedMax)) {
      if (signal.aborted) return;
      if (this.#isOrphan(state)) await this.#remove(state);
    }
  }

  #isOrphan({ jobName, jobId }: RunState): boolean {
    return this.#term.records.phaseOf(jobName, jobId) === null;
  }

  async #remove({ runName, jobName, jobId }: RunState): Promise<void> {
    const { runner, states, times, clock, report } = this.#term;
    const late = (): Error =>
      new RunnerError('unreachable', `Run "${runName}" could not be removed in time.`);
    await withDeadline(runner.cancel(runName), times.platformDeadlineMs, clock, late);
    await withDeadline(runner.remove(runName), times.platformDeadlineMs, clock, late);
    states.forget(runName);
    this.#suspects.delete(runName);
    report({ event: 'orphan_removed', jobName, jobId, runName });
  }
}
