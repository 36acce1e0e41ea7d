import { expect } from 'chai';
import { describe, it } from 'mocha';
import { Cluster } from './cluster.ts';
import {
  acknowledge,
  createCore,
  drain,
  ELECTION_TICKS,
  makeLeader,
  messagesOf,
  tick,
} from './core-fixture.ts';

describe('transfer of leadership (thesis §3.10)', () => {
  it('hands over to a member that has the whole log, at once and in the next term', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    expect(cluster.core('a').transferLeadership('c')).to.equal('started');
    cluster.settle();
    expect(cluster.leaders()).to.deep.equal(['c']);
    for (const { core } of cluster.members.values()) {
      expect([core.term, core.leader]).to.deep.equal([2, 'c']);
    }
  });

  it('brings the target up to date first', () => {
    const core = createCore();
    makeLeader(core);
    acknowledge(core, 'b', 1);
    core.propose([Buffer.from('x')]);
    drain(core);
    core.transferLeadership('b');
    expect(messagesOf(drain(core).sent, 'TimeoutNow')).to.deep.equal([]);
    acknowledge(core, 'b', 2);
    expect(messagesOf(drain(core).sent, 'TimeoutNow', 'b')).to.deep.equal([{ type: 'TimeoutNow', term: 1 }]);
    expect(messagesOf(drain(core).sent, 'TimeoutNow')).to.deep.equal([]);
  });

  it('refuses proposals meanwhile, and takes them again when it is given up', () => {
    const core = createCore();
    makeLeader(core);
    expect(core.transferLeadership('c')).to.equal('started');
    expect(core.propose([Buffer.from('x')])).to.equal('not_leader');
    tick(core, ELECTION_TICKS - 1);
    acknowledge(core, 'b', 1);
    expect(core.propose([Buffer.from('x')])).to.equal('not_leader');
    core.tick();
    expect(core.role).to.equal('leader');
    expect(core.propose([Buffer.from('x')])).to.equal('accepted');
  });

  it('to a member that is down is given up after one election timeout, and the leader stays', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.isolate('c');
    cluster.propose('a', 'x');
    cluster.core('a').transferLeadership('c');
    cluster.tick(ELECTION_TICKS, ['a']);
    expect([cluster.leaders(), cluster.core('a').term]).to.deep.equal([['a'], 1]);
    expect(cluster.propose('a', 'y')).to.equal(true);
    cluster.settle();
    expect(cluster.commands('b')).to.deep.equal(['x', 'y']);
  });

  it('may be pointed at another member while it is under way', () => {
    const core = createCore();
    makeLeader(core);
    acknowledge(core, 'b', 1);
    core.transferLeadership('c');
    expect(messagesOf(drain(core).sent, 'TimeoutNow')).to.deep.equal([]);
    expect(core.transferLeadership('b')).to.equal('started');
    expect(messagesOf(drain(core).sent, 'TimeoutNow', 'b')).to.have.length(1);
  });

  it('asked for again, it is not prolonged', () => {
    const core = createCore();
    makeLeader(core);
    for (let i = 0; i < ELECTION_TICKS; i += 1) {
      acknowledge(core, 'b', 1);
      core.transferLeadership('c');
      core.tick();
    }
    expect(core.propose([Buffer.from('x')])).to.equal('accepted');
  });

  it('is possible only from a leader to another voter', () => {
    const core = createCore();
    expect(core.transferLeadership('b')).to.equal('not_leader');
    makeLeader(core);
    expect(core.transferLeadership('a')).to.equal('already_leader');
    expect(core.transferLeadership('x')).to.equal('not_a_voter');
    expect(core.propose([Buffer.from('x')])).to.equal('accepted');
  });

  it('a target cut off from the others cannot depose anyone', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.core('a').transferLeadership('c');
    cluster.lose = ({ from }) => from === 'c';
    cluster.settle();
    expect(cluster.core('c').role).to.equal('candidate');
    cluster.tick(ELECTION_TICKS, ['a']);
    expect(cluster.leaders()).to.deep.equal(['a']);
  });

  it('TimeoutNow of an earlier term, or from anyone but the leader, is ignored', () => {
    const core = createCore();
    core.receive('b', { type: 'Heartbeat', term: 3, commit: 0, round: 1 });
    core.receive('b', { type: 'TimeoutNow', term: 2 });
    core.receive('c', { type: 'TimeoutNow', term: 3 });
    expect([core.role, core.term]).to.deep.equal(['follower', 3]);
    core.receive('b', { type: 'TimeoutNow', term: 3 });
    expect([core.role, core.term]).to.deep.equal(['candidate', 4]);
    expect(messagesOf(drain(core).sent, 'RequestVote').map(({ transfer }) => transfer)).to.deep.equal([
      true,
      true,
    ]);
  });

  it('a member that is no voter does not campaign when told to', () => {
    const core = createCore({ member: 'x' });
    core.receive('b', { type: 'TimeoutNow', term: 1 });
    expect([core.role, core.term]).to.deep.equal(['follower', 1]);
  });

  it('a member does not lose what it had accepted before', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.propose('a', 'x', 'y');
    cluster.core('a').transferLeadership('b');
    cluster.settle();
    expect(cluster.leaders()).to.deep.equal(['b']);
    expect(cluster.commands('b')).to.deep.equal(['x', 'y']);
    expect(cluster.commands('a')).to.deep.equal(['x', 'y']);
  });
});
