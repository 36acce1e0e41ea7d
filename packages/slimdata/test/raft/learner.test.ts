import { expect } from 'chai';
import { describe, it } from 'mocha';
import { createConfiguration } from '../../src/raft/configuration.ts';
import {
  acknowledge,
  appendEntries,
  configurationEntry,
  createCore,
  drain,
  ELECTION_TICKS,
  makeLeader,
  messagesOf,
  tick,
} from './core-fixture.ts';

describe('learner (thesis §4.2.1)', () => {
  const learners = { ...createConfiguration(['b', 'c']), learners: new Set(['a']) };
  const options = {
    voters: [],
    hardState: { term: 1, votedFor: null },
    entries: [configurationEntry(1, 1, learners)],
  };

  it('says that it is one, and never campaigns', () => {
    // Committed: as long as it may be rolled back, a voter of before might still be needed.
    const core = createCore({
      ...options,
      entries: [],
      checkpoint: { index: 1, term: 1, configuration: learners },
    });
    expect(core.role).to.equal('learner');
    tick(core, 3 * ELECTION_TICKS);
    expect(drain(core).sent).to.deep.equal([]);
    core.receive('b', { type: 'TimeoutNow', term: 1 });
    expect([core.role, drain(core).sent]).to.deep.equal(['learner', []]);
  });

  it('votes when it is asked: it may have been promoted without knowing', () => {
    const core = createCore(options);
    appendEntries(core, 'b', { term: 1, prevLogIndex: 1, prevLogTerm: 1 });
    drain(core);
    tick(core, ELECTION_TICKS);
    core.receive('c', { type: 'PreVote', term: 2, lastLogIndex: 1, lastLogTerm: 1 });
    expect(messagesOf(drain(core).sent, 'PreVoteResponse', 'c')[0]?.granted).to.equal(true);
    core.receive('c', { type: 'RequestVote', term: 2, lastLogIndex: 1, lastLogTerm: 1, transfer: false });
    expect(messagesOf(drain(core).sent, 'RequestVoteResponse', 'c')[0]?.granted).to.equal(true);
  });

  it('is loyal to a leader that it hears, as everyone is', () => {
    const core = createCore(options);
    appendEntries(core, 'b', { term: 1, prevLogIndex: 1, prevLogTerm: 1 });
    drain(core);
    core.receive('c', { type: 'RequestVote', term: 2, lastLogIndex: 1, lastLogTerm: 1, transfer: false });
    expect([core.term, drain(core).sent]).to.deep.equal([1, []]);
  });

  it('gets appends, but what it acknowledges does not count', () => {
    const core = createCore();
    makeLeader(core);
    acknowledge(core, 'b', 1);
    core.changeMembership([{ type: 'addLearner', member: 'd' }]);
    drain(core);
    acknowledge(core, 'd', 2);
    expect(core.commitIndex).to.equal(1);
    acknowledge(core, 'c', 2);
    expect(core.commitIndex).to.equal(2);
  });

  it('becomes a voter by a change like any other, and says so', () => {
    const core = createCore(options);
    drain(core);
    const promoted = {
      ...createConfiguration(['a', 'b', 'c']),
      outgoing: new Set(['b', 'c']),
      autoLeave: true,
    };
    appendEntries(core, 'b', {
      term: 1,
      prevLogIndex: 1,
      prevLogTerm: 1,
      entries: [configurationEntry(2, 1, promoted)],
    });
    expect(core.takeEffects().leadership).to.deep.equal({ role: 'follower', term: 1, leader: 'b' });
  });
});
