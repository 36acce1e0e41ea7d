import type { Clock } from '../../src/dispatch/clock.ts';
import { Dispatcher } from '../../src/dispatch/dispatcher.ts';
import { type DispatchTimes, defaultDispatchTimes } from '../../src/dispatch/leader-term.ts';
import { RunStates } from '../../src/dispatch/run-states.ts';
import type { JobDefinition } from '../../src/model/job.ts';
import { openTestStore, type TestStore, testDefinition } from '../queue/test-store.ts';
import { ManualClock } from './manual-clock.ts';
import { TestRunner } from './test-runner.ts';

/** The leader's work of the current term on a real store and a platform in memory. */
export interface TestDispatch extends AsyncDisposable {
  readonly store: TestStore;
  readonly runner: TestRunner;
  readonly clock: ManualClock;
  readonly states: RunStates;
  /** Definitions by job name; absent = none just now. */
  readonly definitions: Map<string, JobDefinition>;
  /** Begins the work; as a new leader would, when it was ended before. */
  begin(): void;
  /** Ends the work, as the loss of leadership would. */
  end(): Promise<void>;
}

export const testTimes: DispatchTimes = {
  ...defaultDispatchTimes,
  platformDeadlineMs: 1000,
  reconcileIntervalMs: 5000,
  orphanGraceMs: 60_000,
};

export async function openTestDispatch(times: DispatchTimes = testTimes): Promise<TestDispatch> {
  const store = await openTestStore();
  const runner = new TestRunner();
  const clock = new ManualClock();
  const states = new RunStates();
  await runner.open(states.report);
  const definitions = new Map([['fibonacci', testDefinition()]]);
  let current: { readonly controller: AbortController; readonly ended: Promise<void> } | null = null;
  let renames = 0;

  const begin = (): void => {
    const controller = new AbortController();
    const dispatcher = new Dispatcher({
      store: store.member,
      records: store.records,
      queue: store.queue,
      runner,
      states,
      findDefinition: (jobName) => definitions.get(jobName) ?? null,
      createRunName: (jobName) => `${jobName}-slimfaas-job-renamed${renames++}`,
      clock: clock satisfies Clock,
      report: store.events.report,
      times,
      claimant: { member: store.member.member, term: store.term },
      signal: controller.signal,
    });
    current = { controller, ended: dispatcher.run() };
  };
  const end = async (): Promise<void> => {
    current?.controller.abort();
    await current?.ended;
    current = null;
  };
  return {
    store,
    runner,
    clock,
    states,
    definitions,
    begin,
    end,
    async [Symbol.asyncDispose]() {
      await end();
      await store[Symbol.asyncDispose]();
    },
  };
}
