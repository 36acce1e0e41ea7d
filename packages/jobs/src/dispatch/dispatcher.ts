import type { Change } from '@slimfaas/slimdata';
import { hashsetName, parseHashsetName, unknownNamesHashset } from '../queue/hashset-name.ts';
import { RunnerError } from '../runner/runner.ts';
import { ClaimWork } from './claim-work.ts';
import { withDeadline } from './deadline.ts';
import { ExpiryWork } from './expiry-work.ts';
import { KeyedWork } from './keyed-work.ts';
import type { LeaderTerm } from './leader-term.ts';
import { OrphanWork } from './orphan-work.ts';
import { jobNameOfRunKey, RunWork, runKey } from './run-work.ts';

/** Most runs of one name that are being started, updated or ended at the same moment. */
const runPassesMax = 16;

/**
 * The leader's work of one term on all jobs. Nothing polls: applied changes and the platform's reports wake the one
 * key they are about (a job name's queue, a run, a job name's history), and a slow reconciliation wakes all of them.
 */
export class Dispatcher {
  readonly #term: LeaderTerm;
  readonly #claims: KeyedWork;
  readonly #runs: KeyedWork;
  readonly #expiry: KeyedWork;
  readonly #platform: KeyedWork;
  readonly #orphans: OrphanWork;

  constructor(term: LeaderTerm) {
    this.#term = term;
    const claims = new ClaimWork(term);
    const runs = new RunWork(term);
    const expiry = new ExpiryWork(term);
    this.#orphans = new OrphanWork(term);
    const itself = (key: string): string => key;
    this.#claims = this.#work('claim', (jobName) => claims.pass(jobName), itself, 1);
    this.#runs = this.#work('run', (key) => runs.pass(key), jobNameOfRunKey, runPassesMax);
    this.#expiry = this.#work('expiry', (jobName) => expiry.pass(jobName), itself, 1);
    this.#platform = this.#work('reconcile', () => this.#reconcile(), itself, 1);
  }

  /** Works until the term's signal fires and what was under way has ended. */
  async run(): Promise<void> {
    const { store, states, signal } = this.#term;
    const endChanges = store.onChange((change) => this.#changed(change));
    const endStates = states.observe(({ jobName, jobId }) => this.#runs.wake(runKey(jobName, jobId)));
    try {
      this.#platform.wake('platform');
      await aborted(signal);
      for (const work of [this.#claims, this.#runs, this.#expiry, this.#platform]) await work.settled();
    } finally {
      endChanges();
      endStates();
    }
  }

  #work(
    name: string,
    pass: (key: string) => Promise<number | null>,
    groupOf: (key: string) => string,
    groupPassesMax: number,
  ): KeyedWork {
    const { clock, signal, times, report } = this.#term;
    return new KeyedWork({
      pass,
      groupOf,
      groupPassesMax,
      failureBackoff: times.failureBackoff,
      clock,
      signal,
      onFailure: (key, error, retryAfterMs) => {
        report({ event: 'work_failed', work: name, key, error, retryAfterMs });
      },
    });
  }

  #changed({ index, hashsets }: Change): void {
    const { view } = this.#term.records;
    for (const hashset of hashsets) {
      const parsed = parseHashsetName(hashset);
      if (parsed === null) continue;
      const { phase, jobName } = parsed;
      if (phase === 'History') this.#expiry.wake(jobName);
      else this.#claims.wake(jobName);
      if (phase !== 'History' && view.get(unknownNamesHashset, jobName) !== undefined)
        this.#expiry.wake(jobName);
      if (phase === 'Run') this.#wakeRuns(jobName, index);
    }
  }

  /** Wakes the runs of a name that were written since the log index. */
  #wakeRuns(jobName: string, since: number): void {
    for (const [id, { version }] of this.#term.records.view.entries(hashsetName('Run', jobName))) {
      if (version >= since) this.#runs.wake(runKey(jobName, id));
    }
  }

  /** Compares everything recorded with everything on the platform, in case a wake was missed. */
  async #reconcile(): Promise<number> {
    const { states, runner, clock, times } = this.#term;
    this.#wakeNames();
    const listed = await states.refresh(() =>
      withDeadline(runner.list(), times.platformDeadlineMs, clock, () => {
        const message = `The platform did not list its runs within ${times.platformDeadlineMs / 1000} s.`;
        return new RunnerError('unreachable', message);
      }),
    );
    for (const hashset of this.#term.records.view.hashsets('Run:')) {
      this.#wakeRuns(hashset.slice('Run:'.length), 0);
    }
    await this.#orphans.inspect(listed);
    return times.reconcileIntervalMs;
  }

  #wakeNames(): void {
    const { view } = this.#term.records;
    for (const hashset of view.hashsets('Queue:')) this.#claims.wake(hashset.slice('Queue:'.length));
    for (const hashset of view.hashsets('History:')) this.#expiry.wake(hashset.slice('History:'.length));
    for (const [jobName] of view.entries(unknownNamesHashset)) this.#expiry.wake(jobName);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
