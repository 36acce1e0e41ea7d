import assert from 'node:assert/strict';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { unknownNamesHashset } from '../../src/queue/hashset-name.ts';
import { type JobEnding, unknownNamesMax } from '../../src/queue/job-queue.ts';
import { claimed, expectApplied, openTestStore, type TestStore, testJob, wide } from './test-store.ts';

const succeeded: JobEnding = {
  status: 'Succeeded',
  startTimestamp: 10,
  finishTimestamp: 20,
  recordedTimestamp: 21,
  exitCode: 0,
  attempts: 1,
  reason: null,
};

function claimantOf({ member, term }: TestStore): { member: string; term: number } {
  return { member: member.member, term };
}

function queuedOf({ records }: TestStore, id: string) {
  const queued = records.queuedJob('fibonacci', id);
  assert(queued !== undefined, `${id} is queued`);
  return queued;
}

describe('JobQueue.enqueue', function () {
  this.timeout(10_000);

  it('appends in the order of acceptance', async () => {
    await using store = await openTestStore();
    for (const id of ['c', 'a', 'b']) expectApplied(await store.queue.enqueue(testJob(id), wide));
    const ids = [...store.records.queued('fibonacci')].map(({ record }) => record.job.id);
    expect(ids).to.deep.equal(['c', 'a', 'b']);
    expect(store.events.of('job_accepted').map(({ jobId }) => jobId)).to.deep.equal(['c', 'a', 'b']);
  });

  it('refuses beyond the queue limit, also when all come at once', async () => {
    await using store = await openTestStore();
    const limits = { queueLimit: 5, configured: true };
    const ids = Array.from({ length: 20 }, (_, index) => `job-${index}`);
    const outcomes = await Promise.all(ids.map((id) => store.queue.enqueue(testJob(id), limits)));
    expect(outcomes.filter((outcome) => outcome === 'applied')).to.have.length(5);
    expect(outcomes.filter((outcome) => outcome === 'queue_full')).to.have.length(15);
    expect(store.member.view.size('Queue:fibonacci')).to.equal(5);
    expect(store.events.of('job_accepted')).to.have.length(5);
  });

  it('accepts an id once, in whatever phase its job is', async () => {
    await using store = await openTestStore();
    const again = () => store.queue.enqueue(testJob('a'), wide);
    expectApplied(await again());
    expect(await again()).to.equal('exists');
    expectApplied(await store.queue.claim([queuedOf(store, 'a')], 1, claimantOf(store)));
    expect(await again()).to.equal('exists');
    const run = store.records.run('fibonacci', 'a');
    assert(run !== undefined);
    expectApplied(await store.queue.finish(run, succeeded, claimantOf(store)));
    expect(await again()).to.equal('exists');
  });

  it('bounds the names that no definition has, and takes a name back when nothing is left of it', async () => {
    await using store = await openTestStore();
    const { member, queue } = store;
    const names = Array.from({ length: unknownNamesMax - 1 }, (_, index) => `other-${index}`);
    const writes = names.map((field) => {
      return { write: 'set', hashset: unknownNamesHashset, field, value: new Uint8Array(0) } as const;
    });
    await member.transact({ checks: [], writes });
    const unknown = { queueLimit: 10, configured: false };
    expectApplied(await queue.enqueue(testJob('a', { name: 'last-one' }), unknown));
    expectApplied(await queue.enqueue(testJob('b', { name: 'last-one' }), unknown));
    expect(await queue.enqueue(testJob('c', { name: 'one-more' }), unknown)).to.equal('too_many_names');
    expectApplied(await queue.enqueue(testJob('d', { name: 'configured' }), wide));

    await queue.releaseName('last-one', claimantOf(store));
    expect(await queue.enqueue(testJob('c', { name: 'one-more' }), unknown)).to.equal('too_many_names');
    await member.transact({ checks: [], writes: [{ write: 'deleteHashset', hashset: 'Queue:last-one' }] });
    await queue.releaseName('last-one', claimantOf(store));
    expectApplied(await queue.enqueue(testJob('c', { name: 'one-more' }), unknown));
  });
});

describe('JobQueue.claim', function () {
  this.timeout(10_000);

  it('moves the job from queue to run with its owner and its order', async () => {
    await using store = await openTestStore();
    expectApplied(await store.queue.enqueue(testJob('a'), wide));
    const queued = queuedOf(store, 'a');
    expectApplied(await store.queue.claim([queued], 1, claimantOf(store)));
    expect(store.member.view.size('Queue:fibonacci')).to.equal(0);
    expect(store.records.run('fibonacci', 'a')?.record).to.deep.include({
      job: testJob('a'),
      order: queued.createdIndex,
      owner: claimantOf(store),
      status: 'Pending',
      startTimestamp: -1,
    });
  });

  it('never exceeds the cap when 50 claims race', async () => {
    await using store = await openTestStore();
    const ids = Array.from({ length: 50 }, (_, index) => `job-${index}`);
    for (const id of ids) expectApplied(await store.queue.enqueue(testJob(id), wide));
    const claims = ids.map((id) => store.queue.claim([queuedOf(store, id)], 3, claimantOf(store)));
    const outcomes = await Promise.all(claims);
    expect(outcomes.filter((outcome) => outcome === 'applied')).to.have.length(3);
    expect(outcomes.filter((outcome) => outcome === 'full')).to.have.length(47);
    expect(store.member.view.size('Run:fibonacci')).to.equal(3);
    expect(store.member.view.size('Queue:fibonacci')).to.equal(47);
  });

  it('claims several jobs all or none', async () => {
    await using store = await openTestStore();
    for (const id of ['a', 'b', 'c']) expectApplied(await store.queue.enqueue(testJob(id), wide));
    const all = ['a', 'b', 'c'].map((id) => queuedOf(store, id));
    expect(await store.queue.claim(all, 2, claimantOf(store))).to.equal('full');
    expect(store.member.view.size('Run:fibonacci')).to.equal(0);
    expectApplied(await store.queue.claim(all, 3, claimantOf(store)));
    expect(store.member.view.size('Run:fibonacci')).to.equal(3);
  });

  it('gives one job to one of two claims', async () => {
    await using store = await openTestStore();
    expectApplied(await store.queue.enqueue(testJob('a'), wide));
    const queued = queuedOf(store, 'a');
    const outcomes = await Promise.all([
      store.queue.claim([queued], 10, claimantOf(store)),
      store.queue.claim([queued], 10, claimantOf(store)),
    ]);
    expect(outcomes).to.deep.equal(['applied', 'stale']);
    expect(store.events.of('job_claimed')).to.have.length(1);
  });

  it('refuses a claim of another term, so that a former leader claims nothing', async () => {
    await using store = await openTestStore();
    expectApplied(await store.queue.enqueue(testJob('a'), wide));
    for (const term of [store.term - 1, store.term + 1]) {
      const outcome = await store.queue.claim([queuedOf(store, 'a')], 10, { member: 'member-0', term });
      expect(outcome).to.equal('superseded');
    }
    expect(store.member.view.size('Run:fibonacci')).to.equal(0);
  });
});

describe('JobQueue on a run', function () {
  this.timeout(10_000);

  it('finishes it: the slot is free and the outcome readable', async () => {
    await using store = await openTestStore();
    const run = await claimed(store, testJob('a'));
    expectApplied(await store.queue.finish(run, succeeded, claimantOf(store)));
    expect(store.member.view.size('Run:fibonacci')).to.equal(0);
    const finished = store.records.finishedJob('fibonacci', 'a');
    expect(finished?.record).to.deep.equal({
      ...succeeded,
      job: testJob('a'),
      order: run.record.order,
      deleting: false,
    });
  });

  it('finishes it once', async () => {
    await using store = await openTestStore();
    const run = await claimed(store, testJob('a'));
    expectApplied(await store.queue.finish(run, succeeded, claimantOf(store)));
    const failed: JobEnding = { ...succeeded, status: 'Failed' };
    expect(await store.queue.finish(run, failed, claimantOf(store))).to.equal('stale');
    expect(store.records.finishedJob('fibonacci', 'a')?.record.status).to.equal('Succeeded');
    expect(store.events.of('job_finished')).to.have.length(1);
  });

  it('refuses every change by a leader of another term', async () => {
    await using store = await openTestStore();
    const run = await claimed(store, testJob('a'));
    const former = { member: 'member-0', term: store.term - 1 };
    expect(await store.queue.finish(run, succeeded, former)).to.equal('superseded');
    expect(await store.queue.updateRun(run, { attempts: 2 }, former)).to.equal('superseded');
    expect(await store.queue.dropRun(run, former)).to.equal('superseded');
    expect(store.records.run('fibonacci', 'a')).to.deep.equal(run);
  });

  it('updates what is known of it and takes it over for the writer', async () => {
    await using store = await openTestStore();
    const run = await claimed(store, testJob('a'));
    const change = { status: 'Running', startTimestamp: 5, attempts: 1, reason: 'because' } as const;
    const writer = { member: 'member-9', term: store.term };
    expectApplied(await store.queue.updateRun(run, change, writer));
    const after = store.records.run('fibonacci', 'a');
    expect(after?.record).to.deep.equal({ ...run.record, ...change, owner: writer });
    expect(await store.queue.updateRun(run, change, writer)).to.equal('stale');
  });

  it('drops finished records together, and only in its term', async () => {
    await using store = await openTestStore();
    for (const id of ['a', 'b', 'c']) {
      const run = await claimed(store, testJob(id));
      expectApplied(await store.queue.finish(run, succeeded, claimantOf(store)));
    }
    const [first, second] = [...store.records.finished('fibonacci')];
    assert(first !== undefined && second !== undefined);
    const former = { member: 'member-0', term: store.term - 1 };
    expect(await store.queue.dropFinished('fibonacci', [first, second], former)).to.equal('superseded');
    expectApplied(await store.queue.dropFinished('fibonacci', [first, second], claimantOf(store)));
    expect([...store.records.finished('fibonacci')].map(({ record }) => record.job.id)).to.deep.equal(['c']);
    expect(store.events.of('job_expired').map(({ jobId }) => jobId)).to.deep.equal(['a', 'b']);
  });
});
