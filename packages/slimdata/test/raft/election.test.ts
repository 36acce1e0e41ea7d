import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { RaftCore } from '../../src/raft/raft-core.ts';
import type { RaftMessage } from '../../src/raft/types.ts';
import { Cluster } from './cluster.ts';
import {
  appendEntries,
  createCore,
  drain,
  ELECTION_TICKS,
  entriesOf,
  makeLeader,
  messagesOf,
  tick,
} from './core-fixture.ts';

function requestVote(term: number, transfer = false): RaftMessage {
  return { type: 'RequestVote', term, lastLogIndex: 9, lastLogTerm: term - 1, transfer };
}

function preVote(term: number): RaftMessage {
  return { type: 'PreVote', term, lastLogIndex: 9, lastLogTerm: term - 1 };
}

/** Draws that differ from each other. */
function createDraws(): () => number {
  let count = 0;
  return () => {
    count += 1;
    return (count * 0.37) % 1;
  };
}

/** A follower of `b` in term 1. */
function createFollower(): RaftCore {
  const core = createCore();
  core.receive('b', { type: 'Heartbeat', term: 1, commit: 0, round: 1 });
  drain(core);
  return core;
}

describe('election: which log is further (paper §5.4.1)', () => {
  const positions = [1, 2, 3, 4].flatMap((term) => [1, 2, 3, 4].map((index) => ({ term, index })));

  for (const type of ['RequestVote', 'PreVote'] as const) {
    it(`${type} is granted for every pair of logs exactly if the candidate's is at least as far`, () => {
      for (const own of positions) {
        for (const asked of positions) {
          const core = createCore({
            hardState: { term: 5, votedFor: null },
            entries: entriesOf(Array.from({ length: own.index }, () => own.term)),
          });
          const log = { lastLogIndex: asked.index, lastLogTerm: asked.term };
          core.receive(
            'b',
            type === 'PreVote' ? { type, term: 6, ...log } : { type, term: 6, transfer: false, ...log },
          );
          const [response] = messagesOf(drain(core).sent, `${type}Response`, 'b');
          const further = asked.term === own.term ? asked.index >= own.index : asked.term > own.term;
          const pair = `${asked.term}/${asked.index} against ${own.term}/${own.index}`;
          expect(response?.granted, pair).to.equal(further);
        }
      }
    });
  }

  it('a shorter log with a later term beats a longer one with an earlier term, so a leader can be found', () => {
    const logs = new Map([
      ['a', entriesOf([1, 2])],
      ['b', entriesOf([1, 1, 1, 1])],
      ['c', entriesOf([1, 1, 1, 1])],
    ]);
    const cluster = new Cluster(['a', 'b', 'c'], {}, logs);
    cluster.elect('a');
    expect(cluster.leaders()).to.deep.equal(['a']);
  });
});

describe('election: pre-vote (thesis §9.6)', () => {
  it('asking and being asked change neither term nor vote, and write nothing', () => {
    const core = createCore();
    core.receive('b', preVote(4));
    tick(core, ELECTION_TICKS);
    const { sent, persists } = drain(core);
    expect(persists).to.have.length(0);
    expect([core.term, core.votedFor]).to.deep.equal([0, null]);
    expect(messagesOf(sent, 'PreVoteResponse', 'b')).to.deep.equal([
      { type: 'PreVoteResponse', term: 4, granted: true },
    ]);
    expect(messagesOf(sent, 'PreVote')).to.have.length(2);
  });

  it('may be granted to several candidates of one term', () => {
    const core = createCore();
    core.receive('b', preVote(1));
    core.receive('c', preVote(1));
    const granted = messagesOf(drain(core).sent, 'PreVoteResponse').map((response) => response.granted);
    expect(granted).to.deep.equal([true, true]);
  });

  it('a member that is cut off does not raise its term, and disturbs nobody when it returns', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.isolate('c');
    cluster.tick(5 * ELECTION_TICKS);
    expect(cluster.core('c').term).to.equal(1);
    cluster.heal();
    cluster.tick(5 * ELECTION_TICKS);
    expect(cluster.leaders()).to.deep.equal(['a']);
    for (const { core } of cluster.members.values()) {
      expect([core.term, core.leader]).to.deep.equal([1, 'a']);
    }
  });

  it('refused by a majority, the member waits as follower', () => {
    const core = createCore();
    tick(core, ELECTION_TICKS);
    core.receive('b', { type: 'PreVoteResponse', term: 0, granted: false });
    expect(core.role).to.equal('precandidate');
    core.receive('c', { type: 'PreVoteResponse', term: 0, granted: false });
    expect([core.role, core.term]).to.deep.equal(['follower', 0]);
  });

  it('a refusal with a later term is taken over', () => {
    const core = createCore();
    tick(core, ELECTION_TICKS);
    core.receive('b', { type: 'PreVoteResponse', term: 7, granted: false });
    expect([core.role, core.term]).to.deep.equal(['follower', 7]);
  });

  it('a grant for another term than the next one is not counted', () => {
    const core = createCore({ hardState: { term: 3, votedFor: null } });
    tick(core, ELECTION_TICKS);
    core.receive('b', { type: 'PreVoteResponse', term: 3, granted: true });
    core.receive('b', { type: 'PreVoteResponse', term: 5, granted: true });
    expect([core.role, core.term]).to.deep.equal(['precandidate', 3]);
  });

  it('of an earlier term is refused with the present one', () => {
    const core = createCore({ hardState: { term: 5, votedFor: null } });
    core.receive('b', preVote(3));
    expect(messagesOf(drain(core).sent, 'PreVoteResponse')).to.deep.equal([
      { type: 'PreVoteResponse', term: 5, granted: false },
    ]);
  });

  it('a precandidate that votes for another one gives up its own campaign', () => {
    const core = createCore({ hardState: { term: 1, votedFor: null } });
    tick(core, ELECTION_TICKS);
    expect([core.role, core.term]).to.deep.equal(['precandidate', 1]);
    core.receive('b', { type: 'RequestVote', term: 1, lastLogIndex: 0, lastLogTerm: 0, transfer: false });
    core.receive('c', { type: 'PreVoteResponse', term: 2, granted: true });
    expect([core.role, core.term, core.votedFor]).to.deep.equal(['follower', 1, 'b']);
  });

  it('two members that campaign at once still come to one leader', () => {
    const cluster = new Cluster(['a', 'b', 'c'], { random: createDraws() });
    for (const name of ['a', 'b']) {
      tick(cluster.core(name), 2 * ELECTION_TICKS);
    }
    cluster.tick(5 * ELECTION_TICKS);
    expect(cluster.leaders()).to.have.length(1);
  });
});

describe('election: the own vote', () => {
  it('requests for votes leave only when term and own vote are durable', () => {
    const core = createCore();
    tick(core, ELECTION_TICKS);
    core.receive('b', { type: 'PreVoteResponse', term: 1, granted: true });
    const { sendNow, persist } = core.takeEffects();
    expect(messagesOf(sendNow, 'RequestVote')).to.have.length(0);
    expect(persist?.hardState).to.deep.equal({ term: 1, votedFor: 'a' });
    expect(messagesOf(persist?.sendAfterDurable ?? [], 'RequestVote')).to.have.length(2);
  });

  it('no number of other votes makes a leader before the own one is durable', () => {
    const core = createCore();
    tick(core, ELECTION_TICKS);
    core.receive('b', { type: 'PreVoteResponse', term: 1, granted: true });
    const { persist } = core.takeEffects();
    core.receive('b', { type: 'RequestVoteResponse', term: 1, granted: true });
    core.receive('c', { type: 'RequestVoteResponse', term: 1, granted: true });
    expect(core.role).to.equal('candidate');
    core.persisted(persist?.token ?? -1);
    expect(core.role).to.equal('leader');
  });

  it('becoming durable late, after the term has gone by, it makes no leader', () => {
    const core = createCore({ voters: ['a'] });
    tick(core, ELECTION_TICKS);
    const first = core.takeEffects().persist;
    appendEntries(core, 'b', { term: 1 });
    core.persisted(first?.token ?? -1);
    expect([core.role, core.leader]).to.deep.equal(['follower', 'b']);
  });

  it('of an earlier campaign, durable late, does not count for the present one', () => {
    const core = createCore();
    const campaign = () => {
      tick(core, ELECTION_TICKS);
      core.receive('b', { type: 'PreVoteResponse', term: core.term + 1, granted: true });
      return core.takeEffects().persist?.token ?? -1;
    };
    const [first, second] = [campaign(), campaign()];
    core.receive('b', { type: 'RequestVoteResponse', term: 2, granted: true });
    core.persisted(first);
    expect([core.role, core.term]).to.deep.equal(['candidate', 2]);
    core.persisted(second);
    expect(core.role).to.equal('leader');
  });

  it('a grant leaves only when it is durable, and a crash before makes it as if never given', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    const b = cluster.member('b');
    b.diskStalled = true;
    cluster.core('b').receive('a', requestVote(1));
    cluster.performAll();
    expect(messagesOf(cluster.sent, 'RequestVoteResponse')).to.have.length(0);
    cluster.crash('b');
    cluster.core('b').receive('c', requestVote(1));
    b.diskStalled = false;
    cluster.performAll();
    expect(cluster.sent.map(({ to }) => to)).to.deep.equal(['c']);
    expect(b.disk.hardState).to.deep.equal({ term: 1, votedFor: 'c' });
  });

  it('a member that is no voter never campaigns, but votes when it is asked', () => {
    const core = createCore({ member: 'x' });
    tick(core, 10 * ELECTION_TICKS);
    expect([core.role, core.term]).to.deep.equal(['follower', 0]);
    core.receive('a', requestVote(1));
    expect(messagesOf(drain(core).sent, 'RequestVoteResponse', 'a')[0]?.granted).to.equal(true);
  });
});

describe('election: loyalty to a live leader (thesis §4.2.3)', () => {
  it('a follower ignores votes and pre-votes while it has heard its leader within the minimum timeout', () => {
    const core = createFollower();
    tick(core, ELECTION_TICKS - 1);
    core.receive('c', preVote(2));
    core.receive('c', requestVote(2));
    expect(drain(core).sent).to.deep.equal([]);
    expect([core.term, core.leader]).to.deep.equal([1, 'b']);
  });

  it('and answers them once the leader has been silent for longer', () => {
    const core = createCore({ random: () => 0.5 });
    core.receive('b', { type: 'Heartbeat', term: 1, commit: 0, round: 1 });
    drain(core);
    tick(core, ELECTION_TICKS);
    core.receive('c', preVote(2));
    expect(messagesOf(drain(core).sent, 'PreVoteResponse', 'c')[0]?.granted).to.equal(true);
    core.receive('c', requestVote(2));
    expect(messagesOf(drain(core).sent, 'RequestVoteResponse', 'c')[0]?.granted).to.equal(true);
    expect([core.term, core.votedFor]).to.deep.equal([2, 'c']);
  });

  it('a leader ignores them as long as it leads', () => {
    const core = createCore();
    makeLeader(core);
    tick(core, ELECTION_TICKS - 1);
    drain(core);
    core.receive('c', preVote(2));
    core.receive('c', requestVote(2));
    expect(drain(core).sent).to.deep.equal([]);
    expect([core.role, core.term]).to.deep.equal(['leader', 1]);
  });

  it('an election that the leader asked for is not ignored', () => {
    const core = createFollower();
    core.receive('c', requestVote(2, true));
    expect(messagesOf(drain(core).sent, 'RequestVoteResponse', 'c')[0]?.granted).to.equal(true);
  });

  it('a refused request for votes does not delay the own campaign', () => {
    const core = createCore({ entries: entriesOf([1]), hardState: { term: 1, votedFor: null } });
    tick(core, ELECTION_TICKS - 1);
    core.receive('c', { type: 'RequestVote', term: 2, lastLogIndex: 0, lastLogTerm: 0, transfer: false });
    core.tick();
    expect(core.role).to.equal('precandidate');
  });
});

describe('election: check-quorum (thesis §6.2)', () => {
  it('a leader that no quorum answers within an election timeout steps down', () => {
    const core = createCore();
    makeLeader(core);
    tick(core, ELECTION_TICKS - 1);
    expect(core.role).to.equal('leader');
    core.tick();
    expect([core.role, core.term, core.leader]).to.deep.equal(['follower', 1, null]);
  });

  it('answers of one interval do not count for the next', () => {
    const core = createCore();
    makeLeader(core);
    core.receive('b', { type: 'HeartbeatResponse', term: 1, round: 1 });
    tick(core, ELECTION_TICKS);
    expect(core.role).to.equal('leader');
    tick(core, ELECTION_TICKS);
    expect(core.role).to.equal('follower');
  });

  it('half of an even cluster is no quorum', () => {
    const core = createCore({ voters: ['a', 'b', 'c', 'd'] });
    makeLeader(core, ['b', 'c']);
    core.receive('b', { type: 'HeartbeatResponse', term: 1, round: 1 });
    tick(core, ELECTION_TICKS);
    expect(core.role).to.equal('follower');
  });

  it('a cluster of one always answers itself', () => {
    const core = createCore({ voters: ['a'] });
    makeLeader(core, []);
    tick(core, 10 * ELECTION_TICKS);
    expect(core.role).to.equal('leader');
  });

  it('a leader cut off from both others yields, and they elect another one', () => {
    const cluster = new Cluster(['a', 'b', 'c'], { random: createDraws() });
    cluster.elect('a');
    cluster.isolate('a');
    // The first interval still has the answers from before the cut.
    cluster.tick(2 * ELECTION_TICKS, ['a']);
    expect([cluster.core('a').role, cluster.core('a').term]).to.deep.equal(['follower', 1]);
    cluster.tick(5 * ELECTION_TICKS);
    expect(cluster.leaders()).to.have.length(1);
    expect(cluster.leaders()[0]).to.not.equal('a');
  });
});
