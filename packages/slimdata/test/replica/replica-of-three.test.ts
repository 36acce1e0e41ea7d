import { expect } from 'chai';
import { beforeEach, describe, it } from 'mocha';
import { commandBytesMax } from '../../src/state-machine/limits.ts';
import type { Change } from '../../src/store.ts';
import { breathe, electionTimeoutMs, heartbeatMs, set, TestCluster, watch } from './test-cluster.ts';

describe('replica of three', () => {
  let cluster: TestCluster;

  beforeEach(() => {
    cluster = new TestCluster(3);
    cluster.elect();
  });

  it('settles a write when the member that asked has applied it', async () => {
    const { follower } = cluster;
    const write = watch(follower.store.transact(set('f', 'one')));
    cluster.settle();
    await breathe();
    expect(write.value).to.include({ applied: true });
    expect(follower.store.view.get('h', 'f')).to.include({ version: write.value?.index });
  });

  it('sends promises only once they are durable', () => {
    const { follower, leader } = cluster;
    follower.log.isHeld = true;
    follower.sent.length = 0;
    watch(leader.store.transact(set('f')));
    cluster.settle();
    const types = () => follower.sent.map(({ message }) => message.type);
    expect(
      follower.log.batches.some(({ entries }) => entries.at(-1)?.index === leader.core.lastIndex),
    ).to.equal(true);
    expect(types()).to.not.include('AppendEntriesResponse');
    follower.log.isHeld = false;
    cluster.settle();
    expect(types()).to.include('AppendEntriesResponse');
  });

  it('applies once what is sent again because no news came', async () => {
    const { follower, leader } = cluster;
    watch(follower.store.transact(set('warm')));
    cluster.settle();
    const changes: Change[] = [];
    leader.store.onChange((change) => changes.push(change));
    cluster.loses = ({ to, message }) => to === follower.name && message.type === 'AppendEntries';
    const write = watch(follower.store.transact(set('f')));
    cluster.pass(2_000);
    const proposals = follower.sent.filter(({ message }) => message.type === 'Propose');
    expect(proposals.length).to.be.greaterThan(2);
    expect(write.isSettled).to.equal(false);
    cluster.heal();
    cluster.pass(1_000);
    await breathe();
    expect(write.value).to.include({ applied: true });
    expect(changes).to.have.length(1);
    expect(leader.store.view.get('h', 'f')).to.include({ version: write.value?.index });
  });

  it('applies once what the old leader had replicated before it was cut off', async () => {
    const old = cluster.leader;
    const { follower } = cluster;
    watch(follower.store.transact(set('warm')));
    cluster.settle();
    const changes: Change[] = [];
    follower.store.onChange((change) => changes.push(change));
    // The entry reaches both followers, the news of its commit reaches nobody.
    cluster.loses = ({ from, to, message }) =>
      to === old.name && message.type === 'AppendEntriesResponse' && from !== old.name;
    const write = watch(follower.store.transact(set('f')));
    cluster.settle();
    expect(follower.log.entries.at(-1)?.index).to.equal(old.core.lastIndex);
    cluster.isolate(old);
    cluster.pass(4 * electionTimeoutMs);
    await breathe();
    expect(cluster.leader).to.not.equal(old);
    expect(write.value).to.include({ applied: true });
    expect(changes).to.have.length(1);
    cluster.heal();
    cluster.pass(electionTimeoutMs);
    expect(old.store.view.get('h', 'f')).to.include({ version: write.value?.index });
  });

  it('sends to the new leader what the old one took and lost', async () => {
    cluster = new TestCluster(3, { resendMs: 1_000_000 });
    cluster.elect();
    const old = cluster.leader;
    const { follower } = cluster;
    watch(follower.store.transact(set('warm')));
    cluster.settle();
    cluster.loses = ({ from, message }) => from === old.name && message.type === 'AppendEntries';
    const write = watch(follower.store.transact(set('f')));
    cluster.settle();
    expect(old.core.lastIndex).to.be.greaterThan(follower.core.lastIndex);
    cluster.isolate(old);
    const read = watch(follower.store.readBarrier());
    cluster.pass(4 * electionTimeoutMs);
    await breathe();
    expect(write.value).to.include({ applied: true });
    expect(read).to.include({ isSettled: true, error: undefined });
    cluster.heal();
    cluster.pass(electionTimeoutMs);
    for (const { store } of cluster.members) expect(store.view.size('h')).to.equal(2);
  });

  it('loses no answered write when any one member crashes', async () => {
    for (let position = 0; position < 3; position++) {
      const member = cluster.member(position);
      const asker = cluster.member((position + 1) % 3);
      const before = watch(asker.store.transact(set(`before${position}`)));
      cluster.pass(heartbeatMs);
      await breathe();
      expect(before.value).to.include({ applied: true });
      cluster.crash(member);
      const during = watch(asker.store.transact(set(`during${position}`)));
      cluster.pass(5 * electionTimeoutMs);
      await breathe();
      expect(during.value).to.include({ applied: true });
      cluster.restart(member);
      cluster.pass(2 * electionTimeoutMs);
    }
    for (const { store } of cluster.members) expect(store.view.size('h')).to.equal(6);
  });

  it('takes a leader that overslept out of office before it reads its mail', () => {
    const { leader, followers } = cluster;
    for (const follower of followers) {
      leader.replica.receive(follower.name, {
        type: 'HeartbeatResponse',
        term: leader.core.term,
        round: 1,
      });
    }
    const read = watch(leader.store.readBarrier());
    const round = leader.sent.length;
    cluster.nowMs += 5 * electionTimeoutMs;
    const [turn] = leader.turns;
    leader.turns = [];
    turn?.();
    expect(leader.warnings).to.deep.equal(['leader_overslept']);
    expect(leader.store.leadership).to.include({ role: 'follower', leader: null });
    expect(leader.sent.slice(round).some(({ message }) => message.type === 'AppendEntries')).to.equal(false);
    expect(read.isSettled).to.equal(false);
  });

  it('gives a follower that overslept one tick, after its mail', () => {
    const { follower, leader } = cluster;
    const { term } = follower.core;
    const order: string[] = [];
    const { tick, receive } = follower.core;
    follower.core.tick = function () {
      order.push('tick');
      tick.call(this);
    };
    follower.core.receive = function (from, message) {
      order.push(message.type);
      receive.call(this, from, message);
    };
    cluster.nowMs += 5 * electionTimeoutMs;
    for (let i = 0; i < 50; i++) follower.replica.tick();
    follower.replica.receive(leader.name, { type: 'Heartbeat', term, commit: 0, round: 99 });
    const [turn] = follower.turns;
    turn?.();
    expect(order).to.deep.equal(['Heartbeat', 'tick']);
    expect(follower.store.leadership).to.include({ role: 'follower', leader: leader.name });
  });

  it('answers a proposal that is not for it', () => {
    const [asked, asking] = cluster.followers;
    asked?.replica.receive(asking?.name ?? '', { type: 'Propose', sequence: 7, payload: Buffer.from('x') });
    cluster.settle();
    expect(asked?.sent.at(-1)).to.deep.include({
      to: asking?.name,
      message: { type: 'ProposeRefused', sequence: 7, reason: 'not_leader' },
    });
  });

  it('drops a proposal that no peer of its kind sends, and goes on', () => {
    const { leader, follower } = cluster;
    const { lastIndex } = leader.core;
    const payload = Buffer.alloc(commandBytesMax + 1);
    leader.replica.receive(follower.name, { type: 'Propose', sequence: 1, payload });
    cluster.settle();
    expect(leader.core.lastIndex).to.equal(lastIndex);
    expect(leader.warnings).to.deep.equal(['oversized_proposal_dropped']);
  });

  it('does not send twice to a new leader what was never sent before', () => {
    const lone = new TestCluster(3);
    const member = lone.member(0);
    watch(member.store.transact(set('f')));
    lone.elect();
    const openings = lone.members
      .flatMap(({ sent }) => sent)
      .filter(({ message }) => message.type === 'Propose');
    expect(openings.length).to.be.at.most(2);
    expect(new Set(openings.map(({ message }) => 'sequence' in message && message.sequence)).size).to.equal(
      openings.length,
    );
    lone.pass(heartbeatMs);
    expect(member.store.view.size('h')).to.equal(1);
  });

  it('calls a peer unreachable whose mail exceeds the bound', () => {
    const small = new TestCluster(3, { inboxMax: 4 });
    const { leader, follower } = { leader: small.elect(), follower: small.follower };
    const lost: string[] = [];
    leader.core.unreachable = (peer) => lost.push(peer);
    const { term } = leader.core;
    for (let round = 0; round < 6; round++) {
      leader.replica.receive(follower.name, { type: 'HeartbeatResponse', term, round: 0 });
    }
    small.settle();
    expect(lost).to.deep.equal([follower.name]);
  });

  it('sends again what went to a leader that cannot be reached', () => {
    const { follower, leader } = cluster;
    watch(follower.store.transact(set('warm')));
    cluster.settle();
    cluster.loses = ({ message }) => message.type === 'Propose';
    watch(follower.store.transact(set('f')));
    cluster.settle();
    cluster.heal();
    follower.replica.unreachable(leader.name);
    cluster.settle();
    cluster.pass(heartbeatMs);
    expect(follower.store.view.size('h')).to.equal(2);
  });
});
