import { expect } from 'chai';
import { describe, it } from 'mocha';
import { claimed, expectApplied, testJob, wide } from '../queue/test-store.ts';
import { turns } from './manual-clock.ts';
import { openTestDispatch, type TestDispatch } from './test-dispatch.ts';

const orphan = { runName: 'fibonacci-slimfaas-job-orphan', jobId: 'orphan', jobName: 'fibonacci' };

/** Lets reconciliations happen for this long. */
async function pass({ clock, states }: TestDispatch, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5000) {
    const { listings } = states;
    await turns();
    clock.advance(5000);
    while (states.listings === listings) await turns(1);
    await turns();
  }
}

describe('OrphanWork', function () {
  this.timeout(10_000);

  it('removes a run without a record after the grace, and not before', async () => {
    await using dispatch = await openTestDispatch();
    const { runner, store } = dispatch;
    runner.put(orphan);
    dispatch.begin();
    await pass(dispatch, 55_000);
    expect(runner.runs).to.have.length(1);
    await pass(dispatch, 10_000);
    const removed = await store.events.waitFor('orphan_removed');
    expect(removed).to.include({ runName: orphan.runName, jobId: 'orphan' });
    expect(runner.cancels).to.deep.equal([orphan.runName]);
    expect(runner.runs).to.deep.equal([]);
  });

  it('spares a run whose record appears within the grace', async () => {
    await using dispatch = await openTestDispatch();
    const { runner, store } = dispatch;
    runner.put({ ...orphan, jobId: 'a' });
    dispatch.begin();
    await pass(dispatch, 50_000);
    expectApplied(await store.queue.enqueue(testJob('a', { runName: orphan.runName }), wide));
    await pass(dispatch, 30_000);
    expect(runner.cancels).to.deep.equal([]);
    expect(store.events.of('orphan_removed')).to.deep.equal([]);
  });

  it('spares runs of finished jobs', async () => {
    await using dispatch = await openTestDispatch();
    const { runner, store } = dispatch;
    const run = await claimed(store, testJob('a'));
    runner.put({ runName: run.record.job.runName, jobId: 'a', jobName: 'fibonacci', finishTimestamp: 9 });
    const ended = {
      startTimestamp: 5,
      finishTimestamp: 9,
      recordedTimestamp: dispatch.clock.now(),
      attempts: 1,
    };
    const ending = { ...ended, status: 'Succeeded', exitCode: 0, reason: null } as const;
    const job = { ...run.record.job.spec, ttlSecondsAfterFinished: 3600 };
    const stored = { ...run, record: { ...run.record, job: { ...run.record.job, spec: job } } };
    expectApplied(await store.queue.finish(stored, ending, { member: 'member-0', term: store.term }));
    dispatch.begin();
    await pass(dispatch, 90_000);
    expect(runner.runs).to.have.length(1);
  });

  it('begins the grace anew when a run was away in between', async () => {
    await using dispatch = await openTestDispatch();
    const { runner } = dispatch;
    runner.put(orphan);
    dispatch.begin();
    await pass(dispatch, 50_000);
    runner.lose(orphan.runName);
    await pass(dispatch, 5000);
    runner.put(orphan);
    await pass(dispatch, 50_000);
    expect(runner.runs).to.have.length(1);
  });
});
