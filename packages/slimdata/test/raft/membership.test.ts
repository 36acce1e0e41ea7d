import { expect } from 'chai';
import { describe, it } from 'mocha';
import { createConfiguration } from '../../src/raft/configuration.ts';
import type { RaftCore } from '../../src/raft/raft-core.ts';
import type { Configuration } from '../../src/raft/types.ts';
import {
  acknowledge,
  answerHeartbeat,
  appendEntries,
  configurationEntry,
  createCore,
  createLeader,
  drain,
  ELECTION_TICKS,
  entriesOf,
  makeCandidate,
  makeLeader,
  messagesOf,
  tick,
} from './core-fixture.ts';

/** `a` leads a, b, c in term 1; all of them have its no-op. */
function createLeaderOfAll(): RaftCore {
  const core = createLeader();
  acknowledge(core, 'c', 1);
  drain(core);
  return core;
}

/** Voters a, b, c of old and a, d, e of new. */
function joint(): Configuration {
  return { ...createConfiguration(['a', 'd', 'e']), outgoing: new Set(['a', 'b', 'c']), autoLeave: true };
}

/** The leader of `createLeader` in the middle of a change from a, b, c to a, d, e, nothing of it committed. */
function createJointLeader(): RaftCore {
  const core = createLeaderOfAll();
  core.changeMembership([
    { type: 'addVoter', member: 'd' },
    { type: 'addVoter', member: 'e' },
    { type: 'remove', member: 'b' },
    { type: 'remove', member: 'c' },
  ]);
  drain(core);
  return core;
}

function peersOf(core: RaftCore): string[] {
  return core.peers.map(({ member }) => member).sort();
}

describe('membership: asking for a change', () => {
  it('is refused by a member that does not lead, or hands over', () => {
    const core = createCore();
    expect(core.changeMembership([{ type: 'addVoter', member: 'd' }])).to.deep.equal({
      result: 'not_leader',
    });
    const leader = createLeaderOfAll();
    leader.transferLeadership('b');
    expect(leader.changeMembership([{ type: 'addVoter', member: 'd' }])).to.deep.equal({
      result: 'not_leader',
    });
  });

  it('is refused until the leader has committed an entry of its own term (the single-server bug of 2015)', () => {
    const core = createCore();
    makeLeader(core);
    expect(core.changeMembership([{ type: 'addVoter', member: 'd' }])).to.deep.equal({ result: 'not_ready' });
    acknowledge(core, 'b', 1);
    expect(core.changeMembership([{ type: 'addVoter', member: 'd' }])).to.deep.equal({
      result: 'accepted',
      index: 2,
    });
  });

  it('is refused while another change is not complete, up to the commit of its second entry', () => {
    const core = createLeaderOfAll();
    const change = () => core.changeMembership([{ type: 'addLearner', member: 'e' }]).result;
    core.changeMembership([{ type: 'addVoter', member: 'd' }]);
    drain(core);
    expect(change()).to.equal('change_in_progress');
    for (const peer of ['b', 'd']) {
      acknowledge(core, peer, 2);
    }
    expect(change()).to.equal('change_in_progress');
    drain(core);
    expect([core.lastIndex, core.configuration.outgoing.size]).to.deep.equal([3, 0]);
    expect(change()).to.equal('change_in_progress');
    for (const peer of ['b', 'd']) {
      acknowledge(core, peer, 3);
    }
    expect(change()).to.equal('accepted');
  });

  it('is refused with the reason when the rules forbid it', () => {
    const core = createLeaderOfAll();
    const changes = ['a', 'b', 'c'].map((member) => ({ type: 'remove', member }) as const);
    expect(core.changeMembership(changes)).to.deep.equal({ result: 'invalid', reason: 'removed all voters' });
    expect(core.lastIndex).to.equal(1);
  });

  it('is answered as done when there is nothing to do', () => {
    const core = createLeaderOfAll();
    for (const changes of [
      [],
      [{ type: 'addVoter', member: 'b' }] as const,
      [{ type: 'remove', member: 'z' }] as const,
      [{ type: 'update', member: 'b' }] as const,
    ]) {
      expect(core.changeMembership(changes)).to.deep.equal({ result: 'unchanged' });
    }
    expect(core.lastIndex).to.equal(1);
  });
});

describe('membership: joint consensus (paper §6)', () => {
  it('a configuration is in force as soon as it is in the log, and is reported', () => {
    const core = createLeaderOfAll();
    core.changeMembership([{ type: 'addVoter', member: 'd' }]);
    const { configurationChanged, sendNow } = core.takeEffects();
    expect(configurationChanged).to.deep.equal({
      ...createConfiguration(['a', 'b', 'c', 'd']),
      outgoing: new Set(['a', 'b', 'c']),
      autoLeave: true,
    });
    expect(core.configurationIndex).to.be.greaterThan(core.commitIndex);
    expect(sendNow.map(({ to }) => to)).to.include('d');
    expect(core.takeEffects().configurationChanged).to.equal(null);
  });

  it('a new member is probed from the place of the change on', () => {
    const core = createLeaderOfAll();
    core.changeMembership([{ type: 'addLearner', member: 'd' }]);
    const [append] = messagesOf(drain(core).sent, 'AppendEntries', 'd');
    expect([append?.prevLogIndex, append?.entries.length]).to.deep.equal([1, 1]);
    expect(core.peers.find(({ member }) => member === 'd')).to.deep.equal({
      member: 'd',
      match: 0,
      state: 'probe',
      recentlyActive: true,
    });
  });

  it('entries are committed by majorities of both, whichever comes first', () => {
    const table: readonly (readonly [acks: string, committed: boolean])[] = [
      ['bc', false],
      ['de', false],
      ['b', false],
      ['d', false],
      ['bd', true],
      ['ce', true],
      ['db', true],
    ];
    for (const [acks, committed] of table) {
      const core = createJointLeader();
      for (const peer of acks) {
        acknowledge(core, peer, 2);
      }
      expect(core.commitIndex, acks).to.equal(committed ? 2 : 1);
    }
  });

  it('elections are won by majorities of both', () => {
    const table: readonly (readonly [votes: string, won: boolean])[] = [
      ['bc', false],
      ['de', false],
      ['bd', true],
    ];
    for (const [votes, won] of table) {
      const core = createCore({
        hardState: { term: 1, votedFor: null },
        entries: [configurationEntry(1, 1, joint())],
      });
      makeCandidate(core, ['b', 'd']);
      expect(core.role).to.equal('candidate');
      for (const voter of votes) {
        core.receive(voter, { type: 'RequestVoteResponse', term: core.term, granted: true });
      }
      expect(core.role === 'leader', votes).to.equal(won);
    }
  });

  it('pre-elections are won by majorities of both', () => {
    const core = createCore({
      hardState: { term: 1, votedFor: null },
      entries: [configurationEntry(1, 1, joint())],
    });
    makeCandidate(core, ['b', 'c']);
    expect(core.role).to.equal('precandidate');
  });

  it('check-quorum asks for majorities of both', () => {
    for (const [active, stays] of [
      ['bc', false],
      ['de', false],
      ['bd', true],
    ] as const) {
      const core = createJointLeader();
      // What was heard before the change counts for the period in which it was heard.
      for (let period = 0; period < 2; period += 1) {
        for (let i = 0; i < ELECTION_TICKS; i += 1) {
          core.tick();
          const { sent } = drain(core);
          for (const peer of active) {
            answerHeartbeat(core, peer, sent);
          }
        }
      }
      expect(core.role === 'leader', active).to.equal(stays);
    }
  });

  it('reads are confirmed by majorities of both', () => {
    for (const [peers, confirmed] of [
      ['bc', false],
      ['de', false],
      ['bd', true],
    ] as const) {
      const core = createJointLeader();
      core.readIndex(7);
      const { sent } = drain(core);
      for (const peer of peers) {
        answerHeartbeat(core, peer, sent);
      }
      expect(drain(core).reads, peers).to.deep.equal(confirmed ? [{ request: 7, index: 1 }] : []);
    }
  });

  it('the leader leaves it by itself, once it is committed, and drops who is no member any more', () => {
    const core = createJointLeader();
    expect(peersOf(core)).to.deep.equal(['b', 'c', 'd', 'e']);
    acknowledge(core, 'b', 2);
    drain(core);
    expect(core.lastIndex).to.equal(2);
    acknowledge(core, 'd', 2);
    const { committed } = drain(core);
    expect(committed.map(({ index }) => index)).to.deep.equal([2]);
    expect(core.configuration).to.deep.equal(createConfiguration(['a', 'd', 'e']));
    expect(peersOf(core)).to.deep.equal(['d', 'e']);
    acknowledge(core, 'b', 3);
    expect(core.commitIndex).to.equal(2);
    acknowledge(core, 'e', 3);
    expect(core.commitIndex).to.equal(3);
  });

  it('a follower takes over what it is sent, and goes back when it is taken away again', () => {
    const core = createCore({ hardState: { term: 1, votedFor: null }, entries: entriesOf([1]) });
    appendEntries(core, 'b', {
      term: 1,
      prevLogIndex: 1,
      prevLogTerm: 1,
      entries: [configurationEntry(2, 1, joint())],
    });
    expect(core.takeEffects().configurationChanged).to.deep.equal(joint());
    appendEntries(core, 'c', { term: 2, prevLogIndex: 1, prevLogTerm: 1, entries: entriesOf([2], 2) });
    expect(core.takeEffects().configurationChanged).to.deep.equal(createConfiguration(['a', 'b', 'c']));
    expect(core.configurationIndex).to.equal(0);
  });

  it('a start finds it in the log, or in the checkpoint when the log begins after it', () => {
    const options = { hardState: { term: 1, votedFor: null } };
    const entries = [...entriesOf([1]), configurationEntry(2, 1, joint()), ...entriesOf([1, 1], 3)];
    expect(createCore({ ...options, entries }).configuration).to.deep.equal(joint());
    const core = createCore({
      ...options,
      base: { index: 1, term: 1 },
      entries: entries.slice(1),
      checkpoint: { index: 3, term: 1, configuration: joint() },
    });
    expect([core.configuration, core.configurationIndex]).to.deep.equal([joint(), 3]);
  });

  it('the configuration of a checkpoint is the one of its index, not the newest', () => {
    const core = createJointLeader();
    expect(core.configurationAt(1)).to.deep.equal(createConfiguration(['a', 'b', 'c']));
    expect(core.configurationAt(2)).to.deep.equal(joint());
  });

  it('a transfer to a member that ceases to be a voter is given up', () => {
    const core = createJointLeader();
    core.transferLeadership('b');
    for (const peer of ['c', 'd']) {
      acknowledge(core, peer, 2);
    }
    drain(core);
    expect(core.configuration.outgoing.size).to.equal(0);
    expect(core.propose([Buffer.from('x')])).to.equal('accepted');
  });
});

describe('membership: a leader that is removed (paper §6, thesis §4.2.2)', () => {
  function removeSelf(core: RaftCore): void {
    core.changeMembership([{ type: 'remove', member: 'a' }]);
    drain(core);
    for (const peer of ['b', 'c']) {
      acknowledge(core, peer, 2);
    }
    drain(core);
  }

  it('leads on until its removal is committed, without counting itself', () => {
    const core = createLeaderOfAll();
    removeSelf(core);
    expect(core.configuration).to.deep.equal(createConfiguration(['b', 'c']));
    acknowledge(core, 'b', 3);
    expect([core.role, core.commitIndex]).to.deep.equal(['leader', 2]);
    acknowledge(core, 'c', 3);
    expect(core.commitIndex).to.equal(3);
  });

  it('then hands over to the voter that has most and steps down', () => {
    const core = createLeaderOfAll();
    removeSelf(core);
    core.propose([Buffer.from('x')]);
    drain(core);
    acknowledge(core, 'b', 3);
    acknowledge(core, 'c', 4);
    expect(core.changeMembership([{ type: 'addVoter', member: 'd' }])).to.deep.equal({
      result: 'not_leader',
    });
    const { sent } = drain(core);
    expect(messagesOf(sent, 'TimeoutNow')).to.have.length(1);
    expect(messagesOf(sent, 'TimeoutNow', 'c')).to.have.length(1);
    expect(core.role).to.equal('follower');
  });

  it('waits one election timeout at most for a voter that has everything, and takes on nothing new meanwhile', () => {
    const core = createLeaderOfAll();
    removeSelf(core);
    core.propose([Buffer.from('x')]);
    acknowledge(core, 'b', 3);
    acknowledge(core, 'c', 3);
    drain(core);
    expect([core.role, core.propose([Buffer.from('y')])]).to.deep.equal(['leader', 'not_leader']);
    tick(core, ELECTION_TICKS - 1);
    drain(core);
    expect(core.role).to.equal('leader');
    core.tick();
    drain(core);
    expect(core.role).to.equal('follower');
  });

  it('does not campaign afterwards', () => {
    const core = createLeaderOfAll();
    removeSelf(core);
    acknowledge(core, 'b', 3);
    acknowledge(core, 'c', 3);
    drain(core);
    tick(core, 3 * ELECTION_TICKS);
    expect([core.role, drain(core).sent]).to.deep.equal(['follower', []]);
  });

  it('steps down too when it becomes a learner', () => {
    const core = createLeaderOfAll();
    core.changeMembership([{ type: 'addLearner', member: 'a' }]);
    drain(core);
    for (const index of [2, 3]) {
      acknowledge(core, 'b', index);
      acknowledge(core, 'c', index);
      drain(core);
    }
    expect(core.role).to.equal('learner');
  });
});
