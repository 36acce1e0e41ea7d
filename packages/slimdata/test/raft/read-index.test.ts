import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { RaftCore } from '../../src/raft/raft-core.ts';
import { Cluster } from './cluster.ts';
import {
  acknowledge,
  createCore,
  createLeader,
  drain,
  ELECTION_TICKS,
  makeCandidate,
  makeLeader,
  messagesOf,
  tick,
} from './core-fixture.ts';

/** Takes effects and returns the round of the heartbeat sent to `b`, if there is one. */
function sentRound(core: RaftCore): number | undefined {
  return messagesOf(drain(core).sent, 'Heartbeat', 'b')[0]?.round;
}

function answerRound(core: RaftCore, from: string, round: number): void {
  core.receive(from, { type: 'HeartbeatResponse', term: core.term, round });
}

describe('read index: on the leader (thesis §6.4)', () => {
  it('a read is served at the commit index once a quorum has answered a round sent after it came', () => {
    const core = createLeader();
    core.readIndex(7);
    const round = sentRound(core) ?? -1;
    expect(round).to.equal(1);
    answerRound(core, 'c', round);
    expect(drain(core).reads).to.deep.equal([{ request: 7, index: 1 }]);
  });

  it('a later read is never confirmed by an answer to an earlier round', () => {
    const core = createLeader();
    core.readIndex(1);
    expect(sentRound(core)).to.equal(1);
    core.readIndex(2);
    expect(sentRound(core)).to.equal(2);
    answerRound(core, 'b', 1);
    expect(drain(core).reads).to.deep.equal([{ request: 1, index: 1 }]);
    answerRound(core, 'b', 1);
    answerRound(core, 'c', 1);
    expect(drain(core).reads).to.deep.equal([]);
    answerRound(core, 'c', 2);
    expect(drain(core).reads).to.deep.equal([{ request: 2, index: 1 }]);
  });

  it('a read repeated under the same number waits for a round of its own', () => {
    const core = createLeader();
    core.readIndex(1);
    const first = sentRound(core) ?? -1;
    core.readIndex(1);
    const second = sentRound(core) ?? -1;
    expect(second).to.be.greaterThan(first);
    answerRound(core, 'b', first);
    expect(drain(core).reads).to.have.length(1);
    answerRound(core, 'b', second);
    expect(drain(core).reads).to.have.length(1);
  });

  it('all reads of one batch share a round', () => {
    const core = createLeader();
    for (let request = 1; request <= 5; request += 1) {
      core.readIndex(request);
    }
    const heartbeats = messagesOf(drain(core).sent, 'Heartbeat');
    expect(heartbeats.map(({ round }) => round)).to.deep.equal([1, 1]);
    answerRound(core, 'b', 1);
    expect(drain(core).reads.map(({ request }) => request)).to.deep.equal([1, 2, 3, 4, 5]);
  });

  it('an answer to a later round confirms earlier reads too, so a lost round is made good', () => {
    const core = createLeader();
    core.readIndex(1);
    sentRound(core);
    core.tick();
    expect(sentRound(core)).to.equal(2);
    answerRound(core, 'b', 2);
    expect(drain(core).reads).to.deep.equal([{ request: 1, index: 1 }]);
  });

  it('rounds that went out before the read came do not confirm it', () => {
    const core = createLeader();
    core.tick();
    expect(sentRound(core)).to.equal(1);
    core.readIndex(1);
    answerRound(core, 'b', 1);
    answerRound(core, 'c', 1);
    expect(drain(core).reads).to.deep.equal([]);
  });

  it('the answer to a heartbeat of an earlier term, given in the present one, confirms nothing', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    // Many rounds in term 1; the last heartbeats to b are held up on the way.
    cluster.tick(5, ['a']);
    cluster.core('a').tick();
    cluster.performAll();
    const late = cluster.queue.filter(({ to, message }) => to === 'b' && message.type === 'Heartbeat');
    expect(late.map(({ message }) => 'round' in message && message.round)).to.deep.equal([6]);
    cluster.settle();
    cluster.elect('c');
    cluster.elect('a');
    expect([cluster.leaders(), cluster.core('a').term, cluster.core('b').term]).to.deep.equal([['a'], 3, 3]);
    // They arrive when a leads again, in a term of which b already is.
    cluster.queue.push(...late);
    cluster.settle();
    cluster.isolate('a');
    cluster.elect('b');
    cluster.propose('b', 'newer');
    cluster.settle();
    cluster.core('a').readIndex(1);
    cluster.settle();
    expect(cluster.member('a').reads).to.deep.equal([]);
  });

  it('the index is that of the time when the read came', () => {
    const core = createLeader();
    core.readIndex(1);
    sentRound(core);
    core.propose([Buffer.from('x')]);
    drain(core);
    acknowledge(core, 'b', 2);
    answerRound(core, 'b', 1);
    expect(drain(core).reads).to.deep.equal([{ request: 1, index: 1 }]);
  });

  it('a read waits until the leader has committed an entry of its own term', () => {
    const core = createCore();
    makeLeader(core);
    core.readIndex(1);
    expect(sentRound(core)).to.equal(undefined);
    acknowledge(core, 'b', 1);
    const round = sentRound(core) ?? -1;
    expect(drain(core).reads).to.deep.equal([]);
    answerRound(core, 'b', round);
    expect(drain(core).reads).to.deep.equal([{ request: 1, index: 1 }]);
  });

  it('a cluster of one confirms itself', () => {
    const core = createCore({ voters: ['a'] });
    makeLeader(core, []);
    core.readIndex(1);
    expect(drain(core).reads).to.deep.equal([{ request: 1, index: 1 }]);
    core.propose([Buffer.from('x')]);
    core.readIndex(2);
    expect(drain(core).reads).to.deep.equal([{ request: 2, index: 1 }]);
    core.readIndex(3);
    expect(drain(core).reads).to.deep.equal([{ request: 3, index: 2 }]);
  });

  it('a cluster of one confirms a read also if a tick of the same batch began its round', () => {
    const core = createCore({ voters: ['a'] });
    makeLeader(core, []);
    core.readIndex(1);
    core.tick();
    expect(drain(core).reads).to.deep.equal([{ request: 1, index: 1 }]);
  });

  it('half of an even cluster confirms nothing', () => {
    const core = createCore({ voters: ['a', 'b', 'c', 'd'] });
    makeLeader(core, ['b', 'c']);
    acknowledge(core, 'b', 1);
    acknowledge(core, 'c', 1);
    core.readIndex(1);
    sentRound(core);
    answerRound(core, 'b', 1);
    expect(drain(core).reads).to.deep.equal([]);
    answerRound(core, 'd', 1);
    expect(drain(core).reads).to.have.length(1);
  });

  it('a leader that steps down refuses what it has not confirmed', () => {
    const core = createLeader();
    core.readIndex(1);
    core.receive('c', { type: 'ReadIndex', term: 1, request: 9 });
    sentRound(core);
    core.receive('b', { type: 'Heartbeat', term: 2, commit: 0, round: 1 });
    const { reads, sent } = drain(core);
    expect(reads).to.deep.equal([{ request: 1, index: -1 }]);
    expect(messagesOf(sent, 'ReadIndexResponse', 'c')).to.deep.equal([
      { type: 'ReadIndexResponse', term: 1, request: 9, index: -1 },
    ]);
  });

  it('a read that cannot be confirmed within an election timeout is refused, even if appends are answered', () => {
    const core = createLeader();
    core.readIndex(1);
    for (let i = 1; i < ELECTION_TICKS; i += 1) {
      core.tick();
      acknowledge(core, 'b', 1);
      expect(drain(core).reads).to.deep.equal([]);
    }
    core.tick();
    expect(core.role).to.equal('leader');
    expect(drain(core).reads).to.deep.equal([{ request: 1, index: -1 }]);
  });

  it('no more reads wait than the bound allows', () => {
    const core = createCore({ maxPendingReads: 2 });
    makeLeader(core);
    acknowledge(core, 'b', 1);
    for (let request = 1; request <= 3; request += 1) {
      core.readIndex(request);
    }
    expect(drain(core).reads).to.deep.equal([{ request: 3, index: -1 }]);
  });
});

describe('read index: on a follower', () => {
  it('the read is asked of the leader and answered with the leader`s index', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.settle();
    cluster.core('b').readIndex(5);
    cluster.settle();
    expect(cluster.member('b').reads).to.deep.equal([{ request: 5, index: 2 }]);
  });

  it('it reflects what was acknowledged before, though this follower has not heard of it', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.lose = ({ to, message }) => to === 'c' && message.type === 'AppendEntries';
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.commands('a')).to.deep.equal(['x']);
    cluster.core('c').readIndex(1);
    cluster.settle();
    expect(cluster.member('c').reads).to.deep.equal([{ request: 1, index: 2 }]);
    expect(cluster.core('c').commitIndex).to.be.lessThan(2);
  });

  it('without a leader it is refused at once', () => {
    const core = createCore();
    core.readIndex(1);
    expect(drain(core).reads).to.deep.equal([{ request: 1, index: -1 }]);
    makeCandidate(core);
    core.readIndex(2);
    expect(drain(core).reads).to.deep.equal([{ request: 2, index: -1 }]);
  });

  it('it is refused when the leader is lost or replaced', () => {
    for (const term of [1, 2]) {
      const core = createCore();
      core.receive('b', { type: 'Heartbeat', term: 1, commit: 0, round: 1 });
      core.readIndex(1);
      expect(messagesOf(drain(core).sent, 'ReadIndex', 'b')).to.have.length(1);
      if (term === 1) {
        tick(core, ELECTION_TICKS);
      } else {
        core.receive('c', { type: 'Heartbeat', term, commit: 0, round: 1 });
      }
      expect(drain(core).reads, `term ${term}`).to.deep.equal([{ request: 1, index: -1 }]);
      core.receive('b', { type: 'ReadIndexResponse', term, request: 1, index: 1 });
      expect(drain(core).reads, 'an answer that comes after that').to.deep.equal([]);
    }
  });

  it('it is refused when request or answer is lost', () => {
    const core = createCore();
    core.receive('b', { type: 'Heartbeat', term: 1, commit: 0, round: 1 });
    core.readIndex(1);
    for (let i = 0; i < ELECTION_TICKS; i += 1) {
      expect(drain(core).reads).to.deep.equal([]);
      core.tick();
      core.receive('b', { type: 'Heartbeat', term: 1, commit: 0, round: 2 + i });
    }
    expect(drain(core).reads).to.deep.equal([{ request: 1, index: -1 }]);
  });

  it('a member that does not lead refuses the reads of others', () => {
    for (const term of [1, 2, 3]) {
      const core = createCore({ hardState: { term: 2, votedFor: null } });
      core.receive('c', { type: 'ReadIndex', term, request: 4 });
      expect(messagesOf(drain(core).sent, 'ReadIndexResponse', 'c')).to.deep.equal([
        { type: 'ReadIndexResponse', term: Math.max(term, 2), request: 4, index: -1 },
      ]);
    }
  });

  it('a leader that was replaced without knowing it serves no read', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.isolate('a');
    cluster.elect('b');
    cluster.propose('b', 'newer');
    cluster.settle();
    expect(cluster.leaders()).to.deep.equal(['a', 'b']);
    cluster.core('a').readIndex(1);
    cluster.tick(ELECTION_TICKS, ['a']);
    expect(cluster.member('a').reads).to.deep.equal([{ request: 1, index: -1 }]);
  });
});
