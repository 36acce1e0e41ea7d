import { expect } from 'chai';
import { describe, it } from 'mocha';
import { JobRemoval } from '../../src/queue/job-removal.ts';
import { claimed, expectApplied, openTestStore, type TestStore, testJob, wide } from './test-store.ts';

const patient = { deadlineMs: 5000, signal: new AbortController().signal };

function removalOf({ member, records, events }: TestStore): JobRemoval {
  return new JobRemoval(member, records, events.report);
}

/** Stands in for the leader: drops each run of the name once it is marked. */
function dropMarkedRuns(store: TestStore): () => void {
  const { member, records, queue, term } = store;
  return member.onChange(() => {
    const marked = [...records.runs('fibonacci')].filter(({ record }) => record.deleting);
    for (const run of marked) void queue.dropRun(run, { member: member.member, term });
  });
}

describe('JobRemoval', function () {
  this.timeout(10_000);

  it('removes a queued job at once', async () => {
    await using store = await openTestStore();
    expectApplied(await store.queue.enqueue(testJob('a'), wide));
    expect(await removalOf(store).remove('fibonacci', 'a', patient)).to.equal('removed');
    expect(store.records.phaseOf('fibonacci', 'a')).to.equal(null);
    expect(store.events.of('job_removed')).to.have.length(1);
  });

  it('marks a run and resolves when the leader has dropped it', async () => {
    await using store = await openTestStore();
    await claimed(store, testJob('a'));
    const end = dropMarkedRuns(store);
    expect(await removalOf(store).remove('fibonacci', 'a', patient)).to.equal('removed');
    end();
    expect(store.records.phaseOf('fibonacci', 'a')).to.equal(null);
  });

  it('answers all of several removals at once as done', async () => {
    await using store = await openTestStore();
    await claimed(store, testJob('a'));
    const removals = Array.from({ length: 5 }, () => removalOf(store).remove('fibonacci', 'a', patient));
    const end = dropMarkedRuns(store);
    expect(new Set(await Promise.all(removals))).to.deep.equal(new Set(['removed']));
    end();
  });

  it('answers pending at the deadline, with the mark left for the leader', async () => {
    await using store = await openTestStore();
    await claimed(store, testJob('a'));
    const outcome = await removalOf(store).remove('fibonacci', 'a', { ...patient, deadlineMs: 100 });
    expect(outcome).to.equal('pending');
    expect(store.records.run('fibonacci', 'a')?.record.deleting).to.equal(true);
  });

  it('stops waiting when its signal fires', async () => {
    await using store = await openTestStore();
    await claimed(store, testJob('a'));
    const stop = new AbortController();
    store.member.onChange(() => stop.abort());
    expect(await removalOf(store).remove('fibonacci', 'a', { ...patient, signal: stop.signal })).to.equal(
      'pending',
    );
  });

  it('knows no job of another name, and none that never was', async () => {
    await using store = await openTestStore();
    expectApplied(await store.queue.enqueue(testJob('a'), wide));
    expect(await removalOf(store).remove('other', 'a', patient)).to.equal('unknown');
    expect(await removalOf(store).remove('fibonacci', 'b', patient)).to.equal('unknown');
    expect(store.records.phaseOf('fibonacci', 'a')).to.equal('Queue');
  });

  it('removes a record that cannot be decoded, in each phase', async () => {
    await using store = await openTestStore();
    for (const hashset of ['Queue:fibonacci', 'Run:fibonacci', 'History:fibonacci']) {
      const write = { write: 'set', hashset, field: 'bad', value: new Uint8Array([9]) } as const;
      await store.member.transact({ checks: [], writes: [write] });
      expect(await removalOf(store).remove('fibonacci', 'bad', patient), hashset).to.equal('removed');
      expect(store.member.view.size(hashset)).to.equal(0);
    }
  });

  it('follows a job that is claimed in between', async () => {
    await using store = await openTestStore();
    const { queue, records, member, term } = store;
    expectApplied(await queue.enqueue(testJob('a'), wide));
    const queued = records.queuedJob('fibonacci', 'a');
    const claim = queue.claim(queued === undefined ? [] : [queued], 1, { member: member.member, term });
    const end = dropMarkedRuns(store);
    expect(await removalOf(store).remove('fibonacci', 'a', patient)).to.equal('removed');
    expectApplied(await claim);
    end();
    expect(records.phaseOf('fibonacci', 'a')).to.equal(null);
  });
});
