import { expect } from 'chai';
import { beforeEach, describe, it } from 'mocha';
import { replicaLimits } from '../../src/replica/ports.ts';
import { Reads } from '../../src/replica/reads.ts';
import { breathe, electionTimeoutMs, set, TestCluster, watch } from './test-cluster.ts';

describe('reads', () => {
  const limits = { ...replicaLimits, readsMax: 3, resendMs: 500 };

  const submit = (reads: Reads, deadlineAt = 10_000) => {
    const outcomes: unknown[] = [];
    const end = reads.submit(deadlineAt, (outcome) => outcomes.push(outcome));
    return { outcomes, end };
  };

  it('sends one request at a time, and serves with it only who came before it', () => {
    const reads = new Reads(limits, 100);
    const first = submit(reads);
    expect(reads.takeDue(0)).to.equal(100);
    const second = submit(reads);
    expect(reads.takeDue(1)).to.equal(null);
    reads.ready({ request: 100, index: 7 }, 0);
    reads.applied(7);
    expect(first.outcomes).to.deep.equal([null]);
    expect(second.outcomes).to.deep.equal([]);
    expect(reads.takeDue(2)).to.equal(101);
  });

  it('waits until the index is applied', () => {
    const reads = new Reads(limits, 1);
    const { outcomes } = submit(reads);
    reads.takeDue(0);
    reads.ready({ request: 1, index: 7 }, 0);
    reads.applied(6);
    expect(outcomes).to.deep.equal([]);
    reads.applied(8);
    expect(outcomes).to.deep.equal([null]);
    expect(reads.size).to.equal(0);
  });

  it('ignores an answer to a request that was replaced', () => {
    const reads = new Reads(limits, 1);
    const { outcomes } = submit(reads);
    reads.takeDue(0);
    expect(reads.takeDue(499)).to.equal(null);
    expect(reads.takeDue(500)).to.equal(2);
    reads.ready({ request: 1, index: 3 }, 0);
    reads.applied(3);
    expect(outcomes).to.deep.equal([]);
    reads.ready({ request: 2, index: 4 }, 0);
    reads.applied(4);
    expect(outcomes).to.deep.equal([null]);
  });

  it('asks again after a refusal, but not at once', () => {
    const reads = new Reads(limits, 1);
    submit(reads);
    reads.takeDue(0);
    reads.ready({ request: 1, index: -1 }, 50);
    expect(reads.takeDue(49)).to.equal(null);
    expect(reads.takeDue(50)).to.equal(2);
  });

  it('settles at the deadline whoever still waits, asked or not', () => {
    const reads = new Reads(limits, 1);
    const asked = submit(reads, 100);
    reads.takeDue(0);
    const waiting = submit(reads, 100);
    const later = submit(reads, 101);
    reads.expire(100);
    for (const { outcomes } of [asked, waiting]) {
      expect(outcomes).to.have.length(1);
      expect(outcomes[0]).to.include({ code: 'unavailable' });
    }
    expect(later.outcomes).to.deep.equal([]);
    expect(reads.size).to.equal(1);
  });

  it('refuses one too many, and takes another once one is settled', () => {
    const reads = new Reads(limits, 1);
    const [first] = [submit(reads), submit(reads), submit(reads)];
    expect(submit(reads).outcomes[0]).to.include({ code: 'overloaded' });
    first?.end('enough');
    first?.end('enough');
    expect(first?.outcomes).to.have.length(1);
    expect(first?.outcomes[0]).to.include({ code: 'aborted', cause: 'enough' });
    expect(submit(reads).outcomes).to.deep.equal([]);
    expect(reads.size).to.equal(3);
  });

  it('does not ask for readers that are gone', () => {
    const reads = new Reads(limits, 1);
    submit(reads).end('enough');
    reads.expire(0);
    expect(reads.takeDue(0)).to.equal(null);
  });

  it('settles everyone when it stops', () => {
    const reads = new Reads(limits, 1);
    const confirmed = submit(reads);
    reads.takeDue(0);
    reads.ready({ request: 1, index: 9 }, 0);
    const asked = submit(reads);
    reads.takeDue(0);
    const waiting = submit(reads);
    reads.stop('Stopping for the test');
    for (const { outcomes } of [confirmed, asked, waiting])
      expect(outcomes[0]).to.include({ code: 'closed' });
    expect(reads.size).to.equal(0);
  });
});

describe('reads in a cluster', () => {
  let cluster: TestCluster;

  beforeEach(() => {
    cluster = new TestCluster(3);
    cluster.elect();
  });

  it('reflects what was acknowledged elsewhere, also on a member that lags', async () => {
    const { follower, leader } = cluster;
    cluster.loses = ({ to, message }) => to === follower.name && message.type === 'AppendEntries';
    const write = watch(leader.store.transact(set('f')));
    cluster.settle();
    await breathe();
    expect(write.value).to.include({ applied: true });
    const read = watch(follower.store.readBarrier());
    cluster.settle();
    await breathe();
    expect(read.isSettled).to.equal(false);
    expect(follower.store.view.get('h', 'f')).to.equal(undefined);
    cluster.heal();
    cluster.pass(electionTimeoutMs);
    await breathe();
    expect(read).to.include({ isSettled: true, error: undefined });
    expect(follower.store.view.get('h', 'f')).to.not.equal(undefined);
  });

  it('reflects, after a change of leader, what the old leader acknowledged', async () => {
    const old = cluster.leader;
    const write = watch(old.store.transact(set('f')));
    cluster.settle();
    await breathe();
    expect(write.value).to.include({ applied: true });
    cluster.crash(old);
    const [a, b] = cluster.members.filter((member) => member !== old);
    const reads = [a, b].map((member) => watch(member?.store.readBarrier() ?? Promise.reject(member)));
    cluster.pass(4 * electionTimeoutMs);
    await breathe();
    for (const read of reads) expect(read).to.include({ isSettled: true, error: undefined });
    for (const member of [a, b]) expect(member?.store.view.get('h', 'f')).to.not.equal(undefined);
  });

  it('is not answered by a leader that was cut off', async () => {
    const old = cluster.leader;
    cluster.isolate(old);
    const read = watch(old.store.readBarrier({ deadlineMs: 5_000 }));
    cluster.pass(4_900);
    await breathe();
    expect(read.isSettled).to.equal(false);
    cluster.pass(200);
    await breathe();
    expect(read.error).to.include({ code: 'unavailable' });
  });

  it('asks again when the request was lost', async () => {
    cluster.loses = ({ message }) => message.type === 'ReadIndex';
    const read = watch(cluster.follower.store.readBarrier());
    cluster.settle();
    cluster.heal();
    cluster.pass(600);
    await breathe();
    expect(read).to.include({ isSettled: true, error: undefined });
  });

  it('shares one request among all that wait', async () => {
    const { follower } = cluster;
    follower.sent.length = 0;
    const reads = Array.from({ length: 50 }, () => watch(follower.store.readBarrier()));
    cluster.settle();
    await breathe();
    expect(reads.every((read) => read.isSettled && read.error === undefined)).to.equal(true);
    expect(follower.sent.filter(({ message }) => message.type === 'ReadIndex')).to.have.length(1);
  });
});
