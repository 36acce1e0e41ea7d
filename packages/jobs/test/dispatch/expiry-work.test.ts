import { expect } from 'chai';
import { describe, it } from 'mocha';
import { JobRemoval } from '../../src/queue/job-removal.ts';
import { RunnerError } from '../../src/runner/runner.ts';
import { claimed, expectApplied, testDefinition, testJob, testSpec, wide } from '../queue/test-store.ts';
import { elapse, turns } from './manual-clock.ts';
import { openTestDispatch, type TestDispatch } from './test-dispatch.ts';

/** Records a job that ended now, with what is left of its run on the platform. */
async function finish({ store, runner, clock }: TestDispatch, id: string, ttlSeconds: number): Promise<void> {
  const job = testJob(id, { spec: { ...testSpec, ttlSecondsAfterFinished: ttlSeconds } });
  const run = await claimed(store, job);
  const now = clock.now();
  runner.put({
    runName: job.runName,
    jobId: id,
    jobName: job.name,
    status: 'Succeeded',
    finishTimestamp: now,
  });
  const ended = { startTimestamp: 1, finishTimestamp: now, recordedTimestamp: now, attempts: 1 };
  const ending = { ...ended, status: 'Succeeded', exitCode: 0, reason: null } as const;
  expectApplied(await store.queue.finish(run, ending, { member: 'member-0', term: store.term }));
}

function keptIds({ store }: TestDispatch): string[] {
  return [...store.records.finished('fibonacci')].map(({ record }) => record.job.id);
}

describe('ExpiryWork', function () {
  this.timeout(10_000);

  it('removes a finished job, run and record, when its TTL has passed, and not before', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner, clock } = dispatch;
    await finish(dispatch, 'short', 60);
    await finish(dispatch, 'long', 90);
    dispatch.begin();
    await elapse(clock, 59_999);
    expect(keptIds(dispatch)).to.deep.equal(['short', 'long']);
    clock.advance(1);
    expect(await store.events.waitFor('job_expired')).to.include({ jobId: 'short' });
    expect(runner.removes).to.deep.equal([testJob('short').runName]);
    expect(keptIds(dispatch)).to.deep.equal(['long']);
  });

  it('removes a job with TTL 0 as soon as its outcome is recorded', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner } = dispatch;
    dispatch.begin();
    const job = testJob('gone', { spec: { ...testSpec, ttlSecondsAfterFinished: 0 } });
    expectApplied(await store.queue.enqueue(job, wide));
    await runner.until(() => runner.runs.length === 1);
    runner.finish(job.runName);
    expect(await store.events.waitFor('job_expired')).to.include({ jobId: 'gone' });
  });

  it('keeps no more than HistoryLimit, the youngest', async () => {
    await using dispatch = await openTestDispatch();
    dispatch.definitions.set('fibonacci', testDefinition({ historyLimit: 2 }));
    for (const id of ['a', 'b', 'c', 'd']) await finish(dispatch, id, 3600);
    dispatch.begin();
    await dispatch.store.events.waitFor('job_expired', 2);
    expect(keptIds(dispatch)).to.deep.equal(['c', 'd']);
    expect(dispatch.runner.removes).to.deep.equal([testJob('a').runName, testJob('b').runName]);
  });

  it('removes more than one transaction takes', async () => {
    await using dispatch = await openTestDispatch();
    dispatch.definitions.set('fibonacci', testDefinition({ historyLimit: 0 }));
    const ids = Array.from({ length: 60 }, (_, index) => `job-${index}`);
    await Promise.all(ids.map((id) => finish(dispatch, id, 3600)));
    dispatch.begin();
    while (dispatch.store.events.of('job_expired').length < 60) {
      await turns();
      dispatch.clock.advance(0);
    }
    expect(keptIds(dispatch)).to.deep.equal([]);
  });

  it('is not stopped by a run that cannot be removed, and tries that one again', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner, clock } = dispatch;
    const stuck = testJob('a').runName;
    runner.removeFailure = (runName) => (runName === stuck ? new RunnerError('refused', 'Busy.') : null);
    for (const id of ['a', 'b']) await finish(dispatch, id, 0);
    dispatch.begin();
    expect(await store.events.waitFor('job_expired')).to.include({ jobId: 'b' });
    await store.events.waitFor('work_failed');
    expect(keptIds(dispatch)).to.deep.equal(['a']);
    runner.removeFailure = () => null;
    await turns();
    clock.advance(100);
    expect(await store.events.waitFor('job_expired', 2)).to.include({ jobId: 'a' });
  });

  it('removes a finished job that a caller deletes', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner } = dispatch;
    await finish(dispatch, 'a', 3600);
    dispatch.begin();
    const removal = new JobRemoval(store.member, store.records, store.events.report);
    const options = { deadlineMs: 5000, signal: new AbortController().signal };
    expect(await removal.remove('fibonacci', 'a', options)).to.equal('removed');
    expect(runner.runs).to.deep.equal([]);
    expect(store.events.of('job_expired')).to.deep.equal([]);
  });

  it('gives the place of an unknown name back with its last job', async () => {
    await using dispatch = await openTestDispatch();
    const { store } = dispatch;
    const spec = { ...testSpec, ttlSecondsAfterFinished: 0 };
    const job = testJob('a', { name: 'unknown', spec });
    dispatch.definitions.set('unknown', testDefinition({ name: 'unknown', source: 'Default' }));
    expectApplied(await store.queue.enqueue(job, { queueLimit: 10, configured: false }));
    expect(store.member.view.size('UnknownNames')).to.equal(1);
    const released = new Promise<void>((resolve) => {
      store.member.onChange(() => {
        if (store.member.view.size('UnknownNames') === 0) resolve();
      });
    });
    dispatch.begin();
    await dispatch.runner.until(() => dispatch.runner.runs.length === 1);
    dispatch.runner.finish(job.runName);
    await released;
  });
});
