import assert from 'node:assert/strict';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { JobRemoval } from '../../src/queue/job-removal.ts';
import { RunnerError } from '../../src/runner/runner.ts';
import { claimed, expectApplied, testDefinition, testJob, wide } from '../queue/test-store.ts';
import { turns } from './manual-clock.ts';
import { openTestDispatch, type TestDispatch } from './test-dispatch.ts';

const runOf = (id: string): string => testJob(id).runName;

async function enqueue({ store }: TestDispatch, ...ids: string[]): Promise<void> {
  for (const id of ids) expectApplied(await store.queue.enqueue(testJob(id), wide));
}

describe('Dispatcher', function () {
  this.timeout(10_000);

  it('brings a queued job to its outcome', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner } = dispatch;
    dispatch.begin();
    await enqueue(dispatch, 'a');
    await runner.until(() => runner.runs.length === 1);
    runner.finish(runOf('a'), 3);
    const finished = await store.events.waitFor('job_finished');
    expect(finished).to.include({ jobId: 'a', outcome: 'Failed', exitCode: 3 });
    expect(runner.starts).to.deep.equal([runOf('a')]);
    expect(store.records.finishedJob('fibonacci', 'a')?.record).to.include({
      startTimestamp: 5,
      finishTimestamp: 9,
    });
  });

  it('starts first in, first out, never more than NumberParallelJob at once', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner, definitions } = dispatch;
    definitions.set('fibonacci', testDefinition({ numberParallelJob: 2 }));
    const ids = Array.from({ length: 12 }, (_, index) => `job-${index}`);
    await enqueue(dispatch, ...ids);
    dispatch.begin();
    for (const [index, id] of ids.entries()) {
      await runner.until(() => runner.runs.some(({ jobId }) => jobId === id));
      runner.finish(runOf(id));
      await store.events.waitFor('job_finished', index + 1);
    }
    expect(store.events.of('job_claimed').map(({ jobId }) => jobId)).to.deep.equal(ids);
    expect(runner.mostAlive.get('fibonacci')).to.equal(2);
    expect(new Set(runner.starts).size).to.equal(runner.starts.length);
  });

  it('keeps a job whose name has no definition just now, and starts it once there is one', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner, definitions, clock } = dispatch;
    definitions.clear();
    dispatch.begin();
    await enqueue(dispatch, 'a');
    await turns();
    expect(store.records.phaseOf('fibonacci', 'a')).to.equal('Queue');
    definitions.set('fibonacci', testDefinition());
    clock.advance(5000);
    await runner.until(() => runner.runs.length === 1);
  });

  it('ends a job that the platform refuses for good, with the reason, and goes on', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner } = dispatch;
    const reason = 'Job "fibonacci" has no Command.';
    runner.beforeStart = async ({ id }) => (id === 'a' ? { started: false, permanent: true, reason } : null);
    dispatch.begin();
    await enqueue(dispatch, 'a', 'b');
    expect(await store.events.waitFor('job_finished')).to.include({ jobId: 'a', outcome: 'Failed', reason });
    await runner.until(() => runner.runs.length === 1);
    expect(store.records.finishedJob('fibonacci', 'a')?.record).to.include({
      startTimestamp: -1,
      exitCode: null,
    });
  });

  it('shows a passing refusal, rests ever longer, and recovers', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner, clock } = dispatch;
    const reason = 'The quota is in use.';
    runner.beforeStart = async () => ({ started: false, permanent: false, reason });
    dispatch.begin();
    await enqueue(dispatch, 'a');
    for (const [index, delay] of [500, 1000, 2000, 4000].entries()) {
      const refused = await store.events.waitFor('job_start_refused', index + 1);
      expect(refused.retryAfterMs).to.equal(delay);
      if (index === 0) await untilApplied(dispatch, () => runRecord(dispatch, 'a')?.reason === reason);
      await turns();
      expect(runner.starts).to.have.length(index + 1);
      clock.advance(delay);
    }
    expect(runRecord(dispatch, 'a')?.status).to.equal('Pending');
    await store.events.waitFor('job_start_refused', 5);
    runner.beforeStart = async () => null;
    await turns();
    clock.advance(8000);
    await untilApplied(dispatch, () => runRecord(dispatch, 'a')?.status === 'Running');
    expect(runRecord(dispatch, 'a')?.reason).to.equal(null);
  });

  it('takes a platform error for a passing refusal', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner, clock } = dispatch;
    const answers = [new RunnerError('unreachable', 'No answer.'), new TypeError('x is undefined')];
    runner.beforeStart = async () => {
      const error = answers.shift();
      if (error !== undefined) throw error;
      return null;
    };
    dispatch.begin();
    await enqueue(dispatch, 'a');
    expect((await store.events.waitFor('job_start_refused', 1)).reason).to.equal('No answer.');
    await untilApplied(dispatch, () => runRecord(dispatch, 'a')?.reason === 'No answer.');
    await turns();
    clock.advance(500);
    expect((await store.events.waitFor('job_start_refused', 2)).reason).to.not.include('undefined');
    expect((await store.events.waitFor('work_failed')).error.message).to.equal('x is undefined');
    await untilApplied(dispatch, () => runRecord(dispatch, 'a')?.reason !== 'No answer.');
    await turns();
    clock.advance(1000);
    await runner.until(() => runner.runs.length === 1);
  });

  it('does not let a slow start of one name delay another', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner, definitions } = dispatch;
    definitions.set('other', testDefinition({ name: 'other' }));
    runner.beforeStart = ({ name }) => (name === 'fibonacci' ? new Promise(() => {}) : Promise.resolve(null));
    dispatch.begin();
    await enqueue(dispatch, 'slow');
    await runner.until(() => runner.starts.length === 1);
    expectApplied(await store.queue.enqueue(testJob('quick', { name: 'other' }), wide));
    await runner.until(() => runner.runs.some(({ jobId }) => jobId === 'quick'));
    dispatch.clock.advance(1000);
    expect((await store.events.waitFor('job_start_refused')).reason).to.include('did not answer');
  });

  it('chooses and records another run name when the first belongs to another job', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner, clock } = dispatch;
    runner.put({ runName: runOf('a'), jobId: 'stranger', jobName: 'other' });
    dispatch.begin();
    await enqueue(dispatch, 'a');
    const { runName } = await store.events.waitFor('job_run_renamed');
    await untilApplied(dispatch, () => runRecord(dispatch, 'a')?.job.runName === runName);
    await turns();
    clock.advance(500);
    await runner.until(() => runner.runs.some((run) => run.runName === runName && run.jobId === 'a'));
    expect(runner.runs.some(({ jobId }) => jobId === 'stranger')).to.equal(true);
  });

  it('passes over an undecodable record and runs all others', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner } = dispatch;
    const bad = { hashset: 'Queue:fibonacci', field: 'bad', value: new Uint8Array([1]) };
    await store.member.transact({ checks: [], writes: [{ write: 'set', ...bad }] });
    dispatch.begin();
    await enqueue(dispatch, 'a');
    await runner.until(() => runner.runs.length === 1);
    expect(store.events.of('record_undecodable')).to.have.length(1);
    expect(store.member.view.size('Queue:fibonacci')).to.equal(1);
  });

  it('ends and removes a run that is being deleted', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner } = dispatch;
    dispatch.begin();
    await enqueue(dispatch, 'a');
    await runner.until(() => runner.runs.length === 1);
    const removal = new JobRemoval(store.member, store.records, store.events.report);
    const options = { deadlineMs: 5000, signal: new AbortController().signal };
    expect(await removal.remove('fibonacci', 'a', options)).to.equal('removed');
    expect(runner.cancels).to.deep.equal([runOf('a')]);
    expect(runner.removes).to.deep.equal([runOf('a')]);
    expect(runner.runs).to.deep.equal([]);
  });

  it('claims nothing once its term is over', async () => {
    await using dispatch = await openTestDispatch();
    dispatch.begin();
    await dispatch.end();
    await enqueue(dispatch, 'a');
    await turns();
    expect(dispatch.runner.starts).to.deep.equal([]);
    expect(dispatch.store.records.phaseOf('fibonacci', 'a')).to.equal('Queue');
  });
});

describe('Dispatcher of a new leader', function () {
  this.timeout(10_000);

  it('goes on with a run that the platform knows, without starting it', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner } = dispatch;
    await claimed(store, testJob('a'));
    runner.put({ runName: runOf('a'), jobId: 'a', jobName: 'fibonacci' });
    dispatch.begin();
    await untilApplied(dispatch, () => runRecord(dispatch, 'a')?.status === 'Running');
    expect(runner.starts).to.deep.equal([]);
  });

  it('takes over the outcome of a run that ended while nobody led', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner } = dispatch;
    await claimed(store, testJob('a'));
    runner.put({ runName: runOf('a'), jobId: 'a', jobName: 'fibonacci' });
    runner.finish(runOf('a'), 0);
    dispatch.begin();
    expect(await store.events.waitFor('job_finished')).to.include({ jobId: 'a', outcome: 'Succeeded' });
    expect(runner.starts).to.deep.equal([]);
  });

  it('starts a claimed job whose run was never created', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner } = dispatch;
    await claimed(store, testJob('a'));
    dispatch.begin();
    await runner.until(() => runner.runs.length === 1);
    expect(runner.starts).to.deep.equal([runOf('a')]);
  });

  it('starts nothing before it has seen what the platform runs', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner, clock } = dispatch;
    await claimed(store, testJob('a'));
    runner.listFailure = new RunnerError('unreachable', 'No answer.');
    dispatch.begin();
    await store.events.waitFor('work_failed');
    // A change of the record wakes the run, as the other causes do.
    const run = store.records.run('fibonacci', 'a');
    assert(run !== undefined);
    const claimant = { member: 'member-0', term: store.term };
    expectApplied(await store.queue.updateRun(run, { reason: 'woken' }, claimant));
    await turns();
    expect(runner.starts).to.deep.equal([]);
    runner.listFailure = null;
    clock.advance(100);
    await runner.until(() => runner.runs.length === 1);
  });

  it('ends a run that was begun and is gone as failed, and never starts it twice', async () => {
    await using dispatch = await openTestDispatch();
    const { store, runner, clock } = dispatch;
    dispatch.begin();
    await enqueue(dispatch, 'a');
    await untilApplied(dispatch, () => runRecord(dispatch, 'a')?.status === 'Running');
    runner.lose(runOf('a'));
    await dispatch.end();
    dispatch.begin();
    const finished = store.events.waitFor('job_finished');
    while (store.events.of('job_finished').length === 0) {
      await turns();
      clock.advance(5000);
    }
    expect(await finished).to.include({ jobId: 'a', outcome: 'Failed' });
    expect((await finished).reason).to.include('no longer on the platform');
    expect(runner.starts).to.deep.equal([runOf('a')]);
  });
});

function runRecord({ store }: TestDispatch, id: string) {
  return store.records.run('fibonacci', id)?.record;
}

/** Resolves once the applied state fulfils the condition. */
function untilApplied({ store }: TestDispatch, condition: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!condition()) return;
      end();
      resolve();
    };
    const end = store.member.onChange(look);
    look();
  });
}
