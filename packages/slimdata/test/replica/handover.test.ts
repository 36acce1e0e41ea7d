import { expect } from 'chai';
import { describe, it } from 'mocha';
import { handOver } from '../../src/replica/handover.ts';
import { breathe, heartbeatMs, set, TestCluster, type TestMember, watch } from './test-cluster.ts';

/** Hands over while the cluster moves; `patience` is over whenever the cluster has come to rest. */
async function handOverIn(cluster: TestCluster, { replica, store }: TestMember): Promise<void> {
  const waiting = new Set<() => void>();
  const patience = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      waiting.add(resolve);
      signal.addEventListener('abort', () => waiting.delete(resolve));
    });
  const watched = watch(handOver(replica, store, patience));
  for (let round = 0; !watched.isSettled; round++) {
    expect(round).to.be.lessThan(20);
    cluster.settle();
    await breathe();
    cluster.settle();
    await breathe();
    for (const giveUp of [...waiting]) giveUp();
    await breathe();
  }
  expect(waiting.size).to.equal(0);
  expect(watched.error).to.equal(undefined);
}

describe('handover', () => {
  it('passes leadership on, and finishes what was under way', async () => {
    const cluster = new TestCluster(3);
    const leader = cluster.elect();
    const write = watch(leader.store.transact(set('f')));
    await handOverIn(cluster, leader);
    expect(write.value).to.include({ applied: true });
    expect(leader.store.leadership.role).to.equal('follower');
    expect(leader.store.leadership.leader).to.not.equal(leader.name);
  });

  it('tries the peer heard last first, then the next one', async () => {
    const cluster = new TestCluster(3);
    const leader = cluster.elect();
    const deaf = cluster.follower;
    const heard = cluster.followers.at(-1);
    leader.replica.receive(deaf.name, { type: 'HeartbeatResponse', term: leader.core.term, round: 0 });
    cluster.settle();
    expect(leader.replica.peersHeard).to.deep.equal([deaf.name, heard?.name]);
    cluster.crash(deaf);
    await handOverIn(cluster, leader);
    expect(heard?.store.leadership).to.include({ role: 'leader' });
  });

  it('does not wait for ever for a follower, or when nobody can take over', async () => {
    const cluster = new TestCluster(3);
    const leader = cluster.elect();
    await handOverIn(cluster, cluster.follower);
    cluster.isolate(leader);
    cluster.pass(heartbeatMs);
    await handOverIn(cluster, leader);
    expect(leader.store.leadership.role).to.equal('leader');
  });

  it('does not try a peer that was lost', async () => {
    const cluster = new TestCluster(3);
    const leader = cluster.elect();
    for (const { name } of cluster.followers) leader.replica.unreachable(name);
    const [turn] = leader.turns.splice(0);
    turn?.();
    expect(leader.replica.peersHeard).to.deep.equal([]);
    await handOver(leader.replica, leader.store, () => new Promise(() => undefined));
    expect(leader.sent.some(({ message }) => message.type === 'TimeoutNow')).to.equal(false);
  });

  it('ends at once on a member that has failed', async () => {
    const cluster = new TestCluster(3);
    const leader = cluster.elect();
    leader.replica.fail(new Error('no disk'));
    await handOver(leader.replica, leader.store, () => new Promise(() => undefined));
    expect(leader.sent.some(({ message }) => message.type === 'TimeoutNow')).to.equal(false);
  });
});
