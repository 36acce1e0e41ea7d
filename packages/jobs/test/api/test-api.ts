import { randomBytes } from 'node:crypto';
import type { Store } from '@slimfaas/slimdata';
import { Registry } from 'prom-client';
import { openApi } from '../../src/api/api.ts';
import { type ApiDeadlines, defaultApiDeadlines } from '../../src/api/api-parts.ts';
import type { Answer } from '../../src/api/request-log.ts';
import { systemClock } from '../../src/dispatch/clock.ts';
import { Dispatcher } from '../../src/dispatch/dispatcher.ts';
import { LeaderWork } from '../../src/dispatch/leader-work.ts';
import { RunStates } from '../../src/dispatch/run-states.ts';
import type { JobDefinition } from '../../src/model/job.ts';
import { createDefaultDefinition } from '../../src/model/job-definition.ts';
import { createRunName } from '../../src/model/job-name.ts';
import { JobQueue } from '../../src/queue/job-queue.ts';
import { JobRemoval } from '../../src/queue/job-removal.ts';
import { testTimes } from '../dispatch/test-dispatch.ts';
import { TestRunner } from '../dispatch/test-runner.ts';
import { openTestStore, type TestStore, testDefinition } from '../queue/test-store.ts';

const token = 'a-token-of-tests';
export const internal = { authorization: `Bearer ${token}` };

/** The whole REST API of a member that leads, on a platform in memory. */
export interface TestApi extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly store: TestStore;
  readonly runner: TestRunner;
  readonly registry: Registry;
  readonly answers: Answer[];
  readonly internalErrors: unknown[];
  /** POST of a job; answers its id. */
  post(jobName: string, body?: object): Promise<string>;
  close(deadlineMs: number): Promise<void>;
}

export interface TestApiOptions {
  /** Besides `open` (Public, one at a time), `closed` (Private) and `tiny` (Public, a queue of two). */
  readonly definitions?: readonly JobDefinition[];
  readonly deadlines?: Partial<ApiDeadlines>;
  /** What the routes see instead of the real store. */
  readonly store?: Store;
}

const definitions = [
  testDefinition({ name: 'open', visibility: 'Public', numberParallelJob: 1 }),
  testDefinition({ name: 'closed', visibility: 'Private' }),
  testDefinition({ name: 'tiny', visibility: 'Public', queueLimit: 2 }),
];

export async function openTestApi(options: TestApiOptions = {}): Promise<TestApi> {
  const store = await openTestStore();
  const runner = new TestRunner();
  const states = new RunStates();
  await runner.open(states.report);
  const known = new Map([...definitions, ...(options.definitions ?? [])].map((item) => [item.name, item]));
  const definitionOf = (name: string): JobDefinition =>
    known.get(name) ?? { ...createDefaultDefinition(), name };
  const { member, events, queue, records } = store;
  const leaderWork = new LeaderWork({
    store: member,
    clock: systemClock,
    report: events.report,
    failureBackoff: testTimes.failureBackoff,
    barrierDeadlineMs: 1000,
    work: (term, signal) => {
      const claimant = { member: member.member, term };
      const parts = {
        store: member,
        records,
        queue,
        runner,
        states,
        clock: systemClock,
        report: events.report,
      };
      const dispatcher = new Dispatcher({
        ...parts,
        findDefinition: definitionOf,
        createRunName: (jobName) => createRunName(jobName, randomBytes),
        times: testTimes,
        claimant,
        signal,
      });
      return dispatcher.run();
    },
  });
  const answers: Answer[] = [];
  const internalErrors: unknown[] = [];
  const registry = new Registry();
  const seen = options.store ?? member;
  const api = await openApi(
    {
      store: seen,
      records,
      queue: new JobQueue(seen, events.report),
      removal: new JobRemoval(seen, records, events.report),
      runner,
      definitionOf,
      internalToken: token,
      registry,
      clock: systemClock,
      randomBytes,
      deadlines: { ...defaultApiDeadlines, ...options.deadlines },
    },
    {
      host: '127.0.0.1',
      port: 0,
      onInternalError: (error) => internalErrors.push(error),
      onAnswer: (answer) => answers.push(answer),
    },
  );
  const url = `http://127.0.0.1:${api.port}`;
  return {
    url,
    port: api.port,
    store,
    runner,
    registry,
    answers,
    internalErrors,
    async post(jobName, body = {}) {
      const response = await fetch(`${url}/job/${jobName}`, {
        method: 'POST',
        headers: internal,
        body: JSON.stringify(body),
      });
      const { Id } = (await response.json()) as { Id: string };
      return Id;
    },
    close: (deadlineMs) => api.close(deadlineMs),
    async [Symbol.asyncDispose]() {
      await api.close(0);
      await leaderWork.close(1000);
      await store[Symbol.asyncDispose]();
    },
  };
}

/** What a problem answer must look like, whatever its cause. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly faults?: readonly { readonly code: string; readonly path: string; readonly message: string }[];
  readonly requestId: string;
}

/** Checks the form of a problem answer and gives its body. */
export async function problemOf(response: Response, status: number, code: string): Promise<ProblemBody> {
  const text = await response.text();
  const problem = JSON.parse(text) as ProblemBody;
  const facts = `${response.status} ${text}`;
  if (response.status !== status || problem.status !== status || problem.code !== code) {
    throw new Error(`expected ${status} ${code}, got ${facts}`);
  }
  if (response.headers.get('content-type') !== 'application/problem+json') {
    throw new Error(`not a problem: ${response.headers.get('content-type')} ${facts}`);
  }
  if (problem.requestId !== response.headers.get('x-request-id') || problem.detail === '') {
    throw new Error(`incomplete: ${facts}`);
  }
  return problem;
}
