import { expect } from 'chai';
import { describe, it } from 'mocha';
import { claimed, expectApplied, openTestStore, testJob, wide } from './test-store.ts';

describe('JobRecords', function () {
  this.timeout(10_000);

  it('passes over an undecodable record, shows all others and reports it once', async () => {
    await using store = await openTestStore();
    const { member, queue, records, events } = store;
    expectApplied(await queue.enqueue(testJob('a'), wide));
    const bad = { hashset: 'Queue:fibonacci', field: 'bad', value: new Uint8Array([1, 2, 3]) };
    await member.transact({ checks: [], writes: [{ write: 'set', ...bad }] });
    expectApplied(await queue.enqueue(testJob('b'), wide));

    for (let reads = 0; reads < 3; reads += 1) {
      const ids = [...records.queued('fibonacci')].map(({ record }) => record.job.id);
      expect(ids).to.deep.equal(['a', 'b']);
    }
    expect(records.queuedJob('fibonacci', 'bad')).to.equal(undefined);
    const [event, ...more] = events.of('record_undecodable');
    expect(more).to.deep.equal([]);
    expect(event).to.include({ hashset: 'Queue:fibonacci', field: 'bad' });
  });

  it('reports a record again when it was written again and still cannot be decoded', async () => {
    await using store = await openTestStore();
    const bad = { hashset: 'Run:fibonacci', field: 'bad', value: new Uint8Array([1]) };
    for (let writes = 0; writes < 2; writes += 1) {
      await store.member.transact({ checks: [], writes: [{ write: 'set', ...bad }] });
      expect([...store.records.runs('fibonacci')]).to.deep.equal([]);
    }
    expect(store.events.of('record_undecodable')).to.have.length(2);
  });

  it('knows the one phase that holds a job', async () => {
    await using store = await openTestStore();
    const { queue, records, member, term } = store;
    expectApplied(await queue.enqueue(testJob('a'), wide));
    expect(records.phaseOf('fibonacci', 'a')).to.equal('Queue');
    const run = await claimed(store, testJob('b'));
    expect(records.phaseOf('fibonacci', 'b')).to.equal('Run');
    const ending = {
      status: 'Failed',
      startTimestamp: -1,
      finishTimestamp: 1,
      recordedTimestamp: 1,
    } as const;
    const claimant = { member: member.member, term };
    expectApplied(
      await queue.finish(run, { ...ending, exitCode: null, attempts: 0, reason: null }, claimant),
    );
    expect(records.phaseOf('fibonacci', 'b')).to.equal('History');
    expect(records.phaseOf('fibonacci', 'c')).to.equal(null);
    expect(records.phaseOf('other', 'a')).to.equal(null);
  });
});
