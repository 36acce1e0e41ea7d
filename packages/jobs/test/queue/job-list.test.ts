import { expect } from 'chai';
import { describe, it } from 'mocha';
import { findJob, listJobs } from '../../src/queue/job-list.ts';
import { encodeQueued, encodeRun } from '../../src/queue/job-record.ts';
import { claimed, expectApplied, openTestStore, type TestStore, testJob, wide } from './test-store.ts';

const all = { status: null, limit: 100, after: -1 };

/** Jobs a (finished), b (running), c and d (queued), accepted in this order. */
async function fillStore(store: TestStore): Promise<void> {
  const claimant = { member: 'member-0', term: store.term };
  const a = await claimed(store, testJob('a'));
  const b = await claimed(store, testJob('b'));
  for (const id of ['c', 'd']) expectApplied(await store.queue.enqueue(testJob(id), wide));
  const running = { status: 'Running', startTimestamp: 5, attempts: 1 } as const;
  expectApplied(await store.queue.updateRun(b, running, claimant));
  const ending = { startTimestamp: 1, finishTimestamp: 2, recordedTimestamp: 2, exitCode: 3 } as const;
  const failed = { ...ending, status: 'Failed', attempts: 2, reason: 'exit code 3' } as const;
  expectApplied(await store.queue.finish(a, failed, claimant));
  expectApplied(await store.queue.enqueue(testJob('x', { name: 'other' }), wide));
}

describe('listJobs', function () {
  this.timeout(10_000);

  it('lists all phases of one name in order of acceptance, positions from 1', async () => {
    await using store = await openTestStore();
    await fillStore(store);
    const { jobs, more } = listJobs(store.records, 'fibonacci', all);
    expect(more).to.equal(false);
    const rows = jobs.map(({ job, status, positionInQueue }) => [job.id, status, positionInQueue]);
    expect(rows).to.deep.equal([
      ['a', 'Failed', -1],
      ['b', 'Running', -1],
      ['c', 'Queued', 1],
      ['d', 'Queued', 2],
    ]);
  });

  it('lists an older queued job before a younger running one', async () => {
    await using store = await openTestStore();
    expectApplied(await store.queue.enqueue(testJob('waits'), wide));
    await claimed(store, testJob('runs'));
    const ids = listJobs(store.records, 'fibonacci', all).jobs.map(({ job }) => job.id);
    expect(ids).to.deep.equal(['waits', 'runs']);
  });

  it('goes page by page without losing or repeating a job', async () => {
    await using store = await openTestStore();
    await fillStore(store);
    const ids: string[] = [];
    let after = -1;
    for (let pages = 0; pages < 4; pages += 1) {
      const { jobs, more } = listJobs(store.records, 'fibonacci', { ...all, limit: 1, after });
      ids.push(...jobs.map(({ job }) => job.id));
      after = jobs.at(-1)?.order ?? after;
      expect(more).to.equal(pages < 3);
    }
    expect(ids).to.deep.equal(['a', 'b', 'c', 'd']);
  });

  it('does not lose jobs that one transaction accepted at the end of a page', async () => {
    await using store = await openTestStore();
    const writes = ['a', 'b', 'c'].map((id) => {
      const value = encodeQueued({ job: testJob(id) });
      return { write: 'set', hashset: 'Queue:fibonacci', field: id, value } as const;
    });
    await store.member.transact({ checks: [], writes });
    expectApplied(await store.queue.enqueue(testJob('d'), wide));
    const first = listJobs(store.records, 'fibonacci', { ...all, limit: 2 });
    expect(first.jobs.map(({ job }) => job.id)).to.deep.equal(['a', 'b', 'c']);
    const after = first.jobs.at(-1)?.order ?? -1;
    const second = listJobs(store.records, 'fibonacci', { ...all, limit: 2, after });
    expect(second.jobs.map(({ job, positionInQueue }) => [job.id, positionInQueue])).to.deep.equal([
      ['d', 4],
    ]);
    expect([first.more, second.more]).to.deep.equal([true, false]);
  });

  it('filters by status and keeps positions', async () => {
    await using store = await openTestStore();
    await fillStore(store);
    const { jobs } = listJobs(store.records, 'fibonacci', { ...all, status: 'Queued', limit: 2 });
    expect(jobs.map(({ positionInQueue }) => positionInQueue)).to.deep.equal([1, 2]);
    expect(listJobs(store.records, 'fibonacci', { ...all, status: 'Succeeded' }).jobs).to.deep.equal([]);
  });

  it('says that a run is being deleted', async () => {
    await using store = await openTestStore();
    const run = await claimed(store, testJob('a'));
    const value = encodeRun({ ...run.record, deleting: true });
    const write = { write: 'set', hashset: 'Run:fibonacci', field: 'a', value } as const;
    await store.member.transact({ checks: [], writes: [write] });
    expect(findJob(store.records, 'fibonacci', 'a')?.reason).to.equal('It is being deleted.');
  });
});

describe('findJob', function () {
  this.timeout(10_000);

  it('finds a job in each phase, and no job of another name', async () => {
    await using store = await openTestStore();
    await fillStore(store);
    const { records } = store;
    const { jobs } = listJobs(records, 'fibonacci', all);
    for (const job of jobs) expect(findJob(records, 'fibonacci', job.job.id)).to.deep.equal(job);
    expect(findJob(records, 'fibonacci', 'x')).to.equal(null);
    expect(findJob(records, 'other', 'a')).to.equal(null);
    expect(findJob(records, 'other', 'x')?.positionInQueue).to.equal(1);
  });
});
