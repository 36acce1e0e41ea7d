import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { RaftCore } from '../../src/raft/raft-core.ts';
import type { RaftMessage } from '../../src/raft/types.ts';
import {
  appendEntries,
  createCore,
  drain,
  ELECTION_TICKS,
  entriesOf,
  makeCandidate,
  makeLeader,
  messagesOf,
  tick,
} from './core-fixture.ts';

/*
 * The sentences of "In Search of an Understandable Consensus Algorithm" (Ongaro & Ousterhout, 2014, extended
 * version), each as a test of one member or a few.
 */

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

/** Ways into each role. */
const ROLES: Record<'follower' | 'candidate' | 'leader', () => RaftCore> = {
  follower: () => createCore({ hardState: { term: 1, votedFor: null } }),
  candidate: () => {
    const core = createCore();
    makeCandidate(core);
    return core;
  },
  leader: () => {
    const core = createCore();
    makeLeader(core);
    return core;
  },
};

describe('paper §5.1 terms', () => {
  for (const [role, create] of Object.entries(ROLES)) {
    it(`a ${role} that sees a later term takes it over and becomes follower`, () => {
      const messages: RaftMessage[] = [
        { type: 'RequestVoteResponse', term: 5, granted: false },
        { type: 'HeartbeatResponse', term: 5, round: 1 },
        { type: 'Heartbeat', term: 5, commit: 0, round: 1 },
        { type: 'RequestVote', term: 5, lastLogIndex: 9, lastLogTerm: 4, transfer: true },
      ];
      for (const message of messages) {
        const core = create();
        expect(core.role).to.equal(role);
        core.receive('c', message);
        expect([core.term, core.role], message.type).to.deep.equal([5, 'follower']);
        expect(drain(core).persists[0]?.hardState?.term).to.equal(5);
      }
    });
  }

  it('a request with an earlier term is refused, and the answer carries the present term', () => {
    const core = createCore({ hardState: { term: 3, votedFor: null } });
    core.receive('b', { type: 'RequestVote', term: 2, lastLogIndex: 9, lastLogTerm: 2, transfer: false });
    appendEntries(core, 'b', { term: 2, entries: entriesOf([2]) });
    core.receive('b', { type: 'Heartbeat', term: 2, commit: 0, round: 1 });
    const { sent, persists } = drain(core);
    expect(messagesOf(sent, 'RequestVoteResponse')).to.deep.equal([
      { type: 'RequestVoteResponse', term: 3, granted: false },
    ]);
    expect(messagesOf(sent, 'AppendEntriesResponse')[0]).to.include({ term: 3, success: false });
    expect(messagesOf(sent, 'HeartbeatResponse')[0]).to.include({ term: 3 });
    expect([core.lastIndex, core.leader, persists.length]).to.deep.equal([0, null, 0]);
  });

  it('an answer of an earlier term is dropped', () => {
    const core = createCore({ hardState: { term: 3, votedFor: null } });
    makeCandidate(core);
    core.receive('b', { type: 'RequestVoteResponse', term: 3, granted: true });
    expect([core.role, core.term]).to.deep.equal(['candidate', 4]);
  });
});

describe('paper §5.2 leader election', () => {
  it('members begin as followers', () => {
    const core = createCore({ hardState: { term: 2, votedFor: 'a' }, entries: entriesOf([1, 2]) });
    expect([core.role, core.leader, core.votedFor, core.lastIndex]).to.deep.equal(['follower', null, 'a', 2]);
  });

  it('a leader sends heartbeats to all others at its interval', () => {
    const core = createCore({ heartbeatTicks: 3 });
    makeLeader(core, ['b']);
    tick(core, 2);
    expect(messagesOf(drain(core).sent, 'Heartbeat')).to.have.length(0);
    core.tick();
    const heartbeats = drain(core).sent.filter(({ message }) => message.type === 'Heartbeat');
    expect(heartbeats.map(({ to }) => to)).to.deep.equal(['b', 'c']);
  });

  it('a follower that hears no leader for its election timeout starts an election', () => {
    const core = createCore({ hardState: { term: 1, votedFor: 'b' } });
    tick(core, ELECTION_TICKS - 1);
    expect(core.role).to.equal('follower');
    core.tick();
    expect([core.role, core.term]).to.deep.equal(['precandidate', 1]);
    core.receive('b', { type: 'PreVoteResponse', term: 2, granted: true });
    expect([core.role, core.term, core.votedFor]).to.deep.equal(['candidate', 2, 'a']);
    const { sent, persists } = drain(core);
    expect(persists[0]?.hardState).to.deep.equal({ term: 2, votedFor: 'a' });
    expect(messagesOf(sent, 'RequestVote')).to.have.length(2);
  });

  it('a heartbeat of the leader keeps a follower from campaigning', () => {
    const core = createCore();
    for (let i = 0; i < 5; i += 1) {
      tick(core, ELECTION_TICKS - 1);
      expect(core.role).to.equal('follower');
      core.receive('b', { type: 'Heartbeat', term: 1, commit: 0, round: i + 1 });
    }
    expect([core.role, core.leader]).to.deep.equal(['follower', 'b']);
  });

  it('a candidate whose election times out begins a new one, in a later term', () => {
    const core = createCore();
    makeCandidate(core);
    expect([core.role, core.term]).to.deep.equal(['candidate', 1]);
    makeCandidate(core);
    expect([core.role, core.term]).to.deep.equal(['candidate', 2]);
  });

  it('a candidate wins with the votes of a majority, and not with fewer', () => {
    const table: readonly (readonly [size: number, grants: number, refusals: number, role: string])[] = [
      [1, 0, 0, 'leader'],
      [2, 0, 0, 'precandidate'],
      [3, 1, 0, 'leader'],
      [3, 0, 0, 'candidate'],
      [3, 0, 1, 'candidate'],
      [3, 0, 2, 'follower'],
      [3, 1, 1, 'leader'],
      [5, 1, 0, 'candidate'],
      [5, 1, 2, 'candidate'],
      [5, 1, 3, 'follower'],
      [5, 2, 2, 'leader'],
      [7, 2, 0, 'candidate'],
      [7, 3, 3, 'leader'],
    ];
    for (const [size, grants, refusals, role] of table) {
      const voters = NAMES.slice(0, size);
      const others = voters.slice(1);
      const core = createCore({ voters });
      makeCandidate(core, size === 2 ? [] : others);
      const answer = (voter: string, granted: boolean) =>
        core.receive(voter, { type: 'RequestVoteResponse', term: core.term, granted });
      for (const voter of others.slice(0, grants)) {
        answer(voter, true);
      }
      for (const voter of others.slice(grants, grants + refusals)) {
        answer(voter, false);
      }
      expect(core.role, `${grants} grants and ${refusals} refusals of ${size}`).to.equal(role);
    }
  });

  it('granting a vote restarts the wait for a leader', () => {
    const core = createCore();
    tick(core, ELECTION_TICKS - 1);
    core.receive('b', { type: 'RequestVote', term: 1, lastLogIndex: 0, lastLogTerm: 0, transfer: false });
    tick(core, ELECTION_TICKS - 1);
    expect([core.role, core.votedFor]).to.deep.equal(['follower', 'b']);
    core.tick();
    expect(core.role).to.equal('precandidate');
  });

  it('who already follows the leader of a term gives its unused vote to nobody else', () => {
    const core = createCore();
    core.receive('b', { type: 'Heartbeat', term: 1, commit: 0, round: 1 });
    core.receive('c', { type: 'RequestVote', term: 1, lastLogIndex: 9, lastLogTerm: 0, transfer: false });
    expect(messagesOf(drain(core).sent, 'RequestVoteResponse', 'c')[0]?.granted).to.equal(false);
    expect(core.votedFor).to.equal(null);
  });

  it('a grant outweighs a refusal of the same voter, which may answer an earlier request', () => {
    const voters = NAMES.slice(0, 5);
    for (const answers of [
      [false, true],
      [true, false],
    ]) {
      const core = createCore({ voters });
      makeCandidate(core, ['b', 'c']);
      for (const granted of answers) {
        core.receive('b', { type: 'RequestVoteResponse', term: 1, granted });
      }
      expect(core.role).to.equal('candidate');
      core.receive('c', { type: 'RequestVoteResponse', term: 1, granted: true });
      expect(core.role, `${answers}`).to.equal('leader');
    }
  });

  it('a vote counts once however often its answer arrives', () => {
    const core = createCore({ voters: NAMES.slice(0, 5) });
    makeCandidate(core, ['b', 'c']);
    for (let i = 0; i < 3; i += 1) {
      core.receive('b', { type: 'RequestVoteResponse', term: 1, granted: true });
    }
    expect(core.role).to.equal('candidate');
  });

  it('a member votes for at most one candidate in a term, the first that asks', () => {
    const table = [
      { votedFor: null, candidate: 'b', granted: true },
      { votedFor: null, candidate: 'c', granted: true },
      { votedFor: 'b', candidate: 'b', granted: true },
      { votedFor: 'c', candidate: 'c', granted: true },
      { votedFor: 'b', candidate: 'c', granted: false },
      { votedFor: 'c', candidate: 'b', granted: false },
      { votedFor: 'a', candidate: 'b', granted: false },
    ];
    for (const { votedFor, candidate, granted } of table) {
      const core = createCore({ hardState: { term: 1, votedFor } });
      const request = {
        type: 'RequestVote',
        term: 1,
        lastLogIndex: 0,
        lastLogTerm: 0,
        transfer: false,
      } as const;
      core.receive(candidate, request);
      expect(messagesOf(drain(core).sent, 'RequestVoteResponse', candidate)).to.deep.equal([
        { type: 'RequestVoteResponse', term: 1, granted },
      ]);
      expect(core.votedFor).to.equal(votedFor ?? candidate);
    }
  });

  it('stepping down within a term does not forget the vote', () => {
    const core = createCore();
    makeCandidate(core);
    appendEntries(core, 'b', { term: 1 });
    expect([core.role, core.leader, core.votedFor]).to.deep.equal(['follower', 'b', 'a']);
    core.receive('c', { type: 'RequestVote', term: 1, lastLogIndex: 9, lastLogTerm: 1, transfer: true });
    expect(messagesOf(drain(core).sent, 'RequestVoteResponse', 'c')[0]?.granted).to.equal(false);
  });

  for (const type of ['AppendEntries', 'Heartbeat'] as const) {
    it(`a candidate that receives ${type} of a leader of its term or a later one becomes follower`, () => {
      for (const term of [1, 2]) {
        const core = createCore();
        makeCandidate(core);
        if (type === 'AppendEntries') {
          appendEntries(core, 'b', { term });
        } else {
          core.receive('b', { type, term, commit: 0, round: 1 });
        }
        expect([core.role, core.term, core.leader]).to.deep.equal(['follower', term, 'b']);
      }
    });
  }

  it('election timeouts are spread over [T, 2T)', () => {
    const seen = new Set<number>();
    for (let i = 0; i < 100; i += 1) {
      const core = createCore({ random: () => i / 100 });
      let ticks = 0;
      while (core.role === 'follower') {
        core.tick();
        ticks += 1;
      }
      seen.add(ticks);
    }
    expect(Math.min(...seen)).to.equal(ELECTION_TICKS);
    expect(Math.max(...seen)).to.equal(2 * ELECTION_TICKS - 1);
    expect(seen.size).to.equal(ELECTION_TICKS);
  });

  it('the timeout is drawn anew for each campaign, so that split votes do not repeat', () => {
    const draws = [0, 0.5, 0.9];
    const core = createCore({ random: () => draws.shift() ?? 0 });
    const campaigns: number[] = [];
    for (let ticks = 1; ticks <= 25; ticks += 1) {
      core.tick();
      if (messagesOf(drain(core).sent, 'PreVote').length > 0) {
        campaigns.push(ticks);
      }
    }
    expect(campaigns).to.deep.equal([10, 25]);
  });
});
