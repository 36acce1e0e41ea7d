import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Member, openMember } from '@slimfaas/slimdata';
import type { Job, JobDefinition, JobSpec } from '../../src/model/job.ts';
import { createDefaultDefinition } from '../../src/model/job-definition.ts';
import type { JobEvent, Report } from '../../src/queue/job-event.ts';
import { JobQueue } from '../../src/queue/job-queue.ts';
import type { RunRecord } from '../../src/queue/job-record.ts';
import { JobRecords, type Stored } from '../../src/queue/job-records.ts';

const logger = { info() {}, warn() {}, error() {} };

/** Events as they are reported; a test waits for one instead of sleeping. */
export class EventLog {
  readonly events: JobEvent[] = [];
  readonly #waiting = new Set<() => void>();

  readonly report: Report = (event) => {
    this.events.push(event);
    for (const look of this.#waiting) look();
  };

  of<E extends JobEvent['event']>(name: E): Extract<JobEvent, { event: E }>[] {
    return this.events.filter((event): event is Extract<JobEvent, { event: E }> => event.event === name);
  }

  /** Resolves once there are at least `count` events of this name, with the last of those. */
  async waitFor<E extends JobEvent['event']>(name: E, count = 1): Promise<Extract<JobEvent, { event: E }>> {
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.of(name).length < count) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
    const event = this.of(name)[count - 1];
    assert(event !== undefined);
    return event;
  }
}

/** A real store of one member that leads, in a directory of its own, and the queue on it. */
export interface TestStore extends AsyncDisposable {
  readonly member: Member;
  readonly events: EventLog;
  readonly queue: JobQueue;
  readonly records: JobRecords;
  readonly term: number;
}

export async function openTestStore(): Promise<TestStore> {
  const directory = await mkdtemp(join(tmpdir(), 'slimfaas-queue-'));
  const member = await openMember({
    name: 'member-0',
    members: [{ name: 'member-0', url: 'http://127.0.0.1:1' }],
    directory,
    host: '127.0.0.1',
    port: 0,
    clusterSecret: null,
    heartbeatMs: 10,
    electionTimeoutMs: 50,
    logger,
    onFatal: (error) => {
      throw error;
    },
  });
  await member.readBarrier();
  const events = new EventLog();
  return {
    member,
    events,
    queue: new JobQueue(member, events.report),
    records: new JobRecords(member, events.report),
    term: member.leadership.term,
    async [Symbol.asyncDispose]() {
      await member.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export const testSpec: JobSpec = {
  image: 'registry.test/job:1',
  command: ['/bin/true'],
  args: ['42'],
  environments: [{ name: 'PLAIN', value: 'value' }],
  resources: { requests: { cpu: '100m' }, limits: { cpu: '100m' } },
  dependsOn: [],
  backoffLimit: 1,
  ttlSecondsAfterFinished: 60,
  restartPolicy: 'Never',
  activeDeadlineSeconds: null,
  platform: {},
};

export function testJob(id: string, overrides: Partial<Job> = {}): Job {
  const name = overrides.name ?? 'fibonacci';
  return {
    id,
    name,
    runName: `${name}-slimfaas-job-${id}`,
    spec: testSpec,
    inQueueTimestamp: 1_700_000_000_000,
    scheduleId: null,
    ...overrides,
  };
}

export function testDefinition(overrides: Partial<JobDefinition> = {}): JobDefinition {
  return {
    ...createDefaultDefinition(),
    ...testSpec,
    name: 'fibonacci',
    source: 'Configuration',
    ...overrides,
  };
}

export const wide = { queueLimit: 1000, configured: true };

/** Enqueues the job and claims it, as the leader of the current term. */
export async function claimed(store: TestStore, job: Job): Promise<Stored<RunRecord>> {
  const { queue, records, member, term } = store;
  expectApplied(await queue.enqueue(job, wide));
  const queued = records.queuedJob(job.name, job.id);
  assert(queued !== undefined);
  expectApplied(await queue.claim([queued], 1000, { member: member.member, term }));
  const run = records.run(job.name, job.id);
  assert(run !== undefined);
  return run;
}

export function expectApplied(outcome: string): void {
  assert.equal(outcome, 'applied');
}
