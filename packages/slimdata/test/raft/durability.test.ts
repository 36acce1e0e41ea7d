import { expect } from 'chai';
import { describe, it } from 'mocha';
import { Cluster } from './cluster.ts';
import {
  acknowledge,
  appendEntries,
  createCore,
  drain,
  ELECTION_TICKS,
  entriesOf,
  makeLeader,
  messagesOf,
  termsOf,
  tick,
} from './core-fixture.ts';

describe('durability: promises wait for the disk', () => {
  it('a follower acknowledges an append only when it is durable', () => {
    const core = createCore();
    appendEntries(core, 'b', { term: 1, entries: entriesOf([1]) });
    const { sendNow, persist } = core.takeEffects();
    expect(sendNow).to.deep.equal([]);
    expect(messagesOf(persist?.sendAfterDurable ?? [], 'AppendEntriesResponse')[0]?.matchIndex).to.equal(1);
    expect(core.durableIndex).to.equal(0);
    core.persisted(persist?.token ?? -1);
    expect(core.durableIndex).to.equal(1);
  });

  it('a refusal promises nothing and leaves at once', () => {
    const core = createCore();
    appendEntries(core, 'b', { term: 1, prevLogIndex: 5, prevLogTerm: 1 });
    const { sendNow, persist } = core.takeEffects();
    expect(messagesOf(sendNow, 'AppendEntriesResponse')[0]?.success).to.equal(false);
    expect(persist?.sendAfterDurable).to.deep.equal([]);
  });

  it('a promise that rests on writes under way waits for them with a write of nothing', () => {
    const core = createCore();
    appendEntries(core, 'b', { term: 1, entries: entriesOf([1]) });
    const first = core.takeEffects().persist;
    appendEntries(core, 'b', { term: 1, entries: entriesOf([1]) });
    const second = core.takeEffects();
    expect(second.sendNow).to.deep.equal([]);
    expect(second.persist).to.deep.include({ token: 2, hardState: null, truncateFrom: null, entries: [] });
    expect(second.persist?.sendAfterDurable).to.have.length(1);
    core.persisted(first?.token ?? -1);
    core.persisted(second.persist?.token ?? -1);
    appendEntries(core, 'b', { term: 1, entries: entriesOf([1]) });
    const third = core.takeEffects();
    expect(third.persist).to.equal(null);
    expect(messagesOf(third.sendNow, 'AppendEntriesResponse')[0]?.matchIndex).to.equal(1);
  });

  it('appends that one write makes durable are acknowledged once', () => {
    const core = createCore();
    appendEntries(core, 'b', { term: 1, entries: entriesOf([1]) });
    appendEntries(core, 'b', { term: 1, prevLogIndex: 1, prevLogTerm: 1, entries: entriesOf([1, 1], 2) });
    const { persist } = core.takeEffects();
    expect(persist?.entries).to.have.length(3);
    const responses = messagesOf(persist?.sendAfterDurable ?? [], 'AppendEntriesResponse');
    expect(responses.map(({ matchIndex }) => matchIndex)).to.deep.equal([3]);
  });

  it('an acknowledgement replaces neither another promise nor one that says more', () => {
    const core = createCore();
    core.receive('b', { type: 'RequestVote', term: 1, lastLogIndex: 0, lastLogTerm: 0, transfer: false });
    appendEntries(core, 'b', { term: 1, entries: entriesOf([1, 1, 1]) });
    appendEntries(core, 'b', { term: 1, entries: entriesOf([1]) });
    const promises = core.takeEffects().persist?.sendAfterDurable ?? [];
    expect(messagesOf(promises, 'RequestVoteResponse', 'b')[0]?.granted).to.equal(true);
    const matches = messagesOf(promises, 'AppendEntriesResponse', 'b').map(({ matchIndex }) => matchIndex);
    expect(Math.max(...matches)).to.equal(3);
  });

  it('a leader sends entries before they are durable here, but does not count itself', () => {
    const core = createCore();
    makeLeader(core);
    acknowledge(core, 'b', 1);
    drain(core);
    core.propose([Buffer.from('x')]);
    const { sendNow, persist } = core.takeEffects();
    expect(messagesOf(sendNow, 'AppendEntries', 'b')).to.have.length(1);
    acknowledge(core, 'b', 2);
    expect(core.commitIndex).to.equal(1);
    core.persisted(persist?.token ?? -1);
    expect(core.commitIndex).to.equal(2);
  });

  it('two followers commit without the leader`s disk; the leader applies when its own disk has it', () => {
    const core = createCore();
    makeLeader(core, ['b', 'c']);
    acknowledge(core, 'b', 1);
    acknowledge(core, 'c', 1);
    drain(core);
    core.propose([Buffer.from('x')]);
    const { persist } = core.takeEffects();
    acknowledge(core, 'b', 2);
    acknowledge(core, 'c', 2);
    expect(core.commitIndex).to.equal(2);
    const beforeDurable = core.takeEffects();
    expect(beforeDurable.committed).to.deep.equal([]);
    expect(messagesOf(beforeDurable.sendNow, 'AppendEntries', 'b')[0]?.leaderCommit).to.equal(2);
    core.persisted(persist?.token ?? -1);
    expect(core.takeEffects().committed.map(({ index }) => index)).to.deep.equal([2]);
  });

  it('a follower applies no entry before its own disk has it', () => {
    const core = createCore();
    appendEntries(core, 'b', { term: 1, entries: entriesOf([1]), leaderCommit: 1 });
    const { committed, persist } = core.takeEffects();
    expect([core.commitIndex, committed.length]).to.deep.equal([1, 0]);
    core.persisted(persist?.token ?? -1);
    expect(core.takeEffects().committed).to.have.length(1);
    expect(core.takeEffects().committed).to.have.length(0);
  });

  it('a cluster of one commits when its disk has the entry, and not before', () => {
    const cluster = new Cluster(['a']);
    const a = cluster.member('a');
    cluster.elect('a');
    a.diskStalled = true;
    cluster.propose('a', 'x');
    cluster.performAll();
    expect(cluster.commands('a')).to.deep.equal([]);
    cluster.crash('a');
    a.diskStalled = false;
    cluster.elect('a');
    cluster.propose('a', 'y');
    cluster.settle();
    expect(cluster.commands('a')).to.deep.equal(['y']);
  });

  it('what a quorum acknowledged survives the crash of all', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.settle();
    for (const name of ['a', 'b', 'c']) {
      cluster.crash(name);
    }
    cluster.elect('c');
    expect(cluster.commands('c')).to.deep.equal(['x']);
    expect(termsOf(cluster.core('c'))).to.deep.equal([1, 1, 2]);
  });
});

describe('durability: order and identity of writes', () => {
  it('tokens count up by one', () => {
    const core = createCore();
    const tokens: (number | undefined)[] = [];
    for (let term = 1; term <= 3; term += 1) {
      core.receive('b', { type: 'Heartbeat', term, commit: 0, round: 1 });
      tokens.push(core.takeEffects().persist?.token);
    }
    expect(tokens).to.deep.equal([1, 2, 3]);
    expect(core.takeEffects().persist).to.equal(null);
  });

  it('a token out of order, twice or never handed out stops the member', () => {
    const core = createCore();
    expect(() => core.persisted(1)).to.throw('write 1');
    const other = createCore();
    other.receive('b', { type: 'Heartbeat', term: 1, commit: 0, round: 1 });
    other.takeEffects();
    other.receive('b', { type: 'Heartbeat', term: 2, commit: 0, round: 1 });
    other.takeEffects();
    expect(() => other.persisted(2)).to.throw('write 2');
  });

  it('an earlier write of the same position is not taken for a later one (append ABA race)', () => {
    const core = createCore({ hardState: { term: 1, votedFor: null }, entries: entriesOf([1]) });
    const at2 = (term: number, entryTerm: number, from: string) => {
      appendEntries(core, from, {
        term,
        prevLogIndex: 1,
        prevLogTerm: 1,
        entries: entriesOf([entryTerm], 2),
      });
      return core.takeEffects().persist;
    };
    // The same entry, term 1 at index 2, is written, replaced, and written again by a later leader.
    const first = at2(1, 1, 'b');
    const second = at2(2, 2, 'c');
    const third = at2(3, 1, 'b');
    expect([first, second, third].map((write) => write?.truncateFrom)).to.deep.equal([null, 2, 2]);
    core.persisted(1);
    expect(core.durableIndex, 'the second write will still remove it').to.equal(1);
    core.persisted(2);
    expect(core.durableIndex).to.equal(1);
    core.persisted(3);
    expect(core.durableIndex).to.equal(2);
  });

  it('a leader does not commit with its own entry while a write under way still removes what is there', () => {
    const core = createCore({ hardState: { term: 1, votedFor: null }, entries: entriesOf([1]) });
    const after1 = { prevLogIndex: 1, prevLogTerm: 1 };
    appendEntries(core, 'b', { term: 1, ...after1, entries: entriesOf([1, 1, 1], 2) });
    const first = core.takeEffects().persist;
    appendEntries(core, 'c', { term: 2, ...after1, entries: entriesOf([2], 2) });
    const second = core.takeEffects().persist;
    expect([first?.entries.length, second?.truncateFrom]).to.deep.equal([3, 2]);
    tick(core, ELECTION_TICKS);
    core.receive('b', { type: 'PreVoteResponse', term: 3, granted: true });
    const vote = core.takeEffects().persist;
    core.persisted(1);
    expect(core.durableIndex).to.equal(1);
    core.persisted(2);
    core.persisted(vote?.token ?? -1);
    core.receive('b', { type: 'RequestVoteResponse', term: 3, granted: true });
    const noop = core.takeEffects().persist;
    acknowledge(core, 'b', 3);
    expect([core.role, core.durableIndex, core.commitIndex]).to.deep.equal(['leader', 2, 0]);
    core.persisted(noop?.token ?? -1);
    expect([core.durableIndex, core.commitIndex]).to.deep.equal([3, 3]);
  });

  it('entries that are replaced before they were handed to a write are never written', () => {
    const core = createCore();
    appendEntries(core, 'b', { term: 1, entries: entriesOf([1, 1, 1]) });
    appendEntries(core, 'c', { term: 2, prevLogIndex: 1, prevLogTerm: 1, entries: entriesOf([2], 2) });
    const { persist } = core.takeEffects();
    expect(persist?.truncateFrom).to.equal(null);
    expect(persist?.entries.map(({ term }) => term)).to.deep.equal([1, 2]);
    expect(persist?.hardState).to.deep.equal({ term: 2, votedFor: null });
  });

  it('a removal and what follows it are one write, from the lowest index removed', () => {
    const core = createCore({ hardState: { term: 1, votedFor: null }, entries: entriesOf([1, 1, 1, 1]) });
    appendEntries(core, 'b', { term: 2, prevLogIndex: 3, prevLogTerm: 1, entries: entriesOf([2], 4) });
    appendEntries(core, 'c', { term: 3, prevLogIndex: 1, prevLogTerm: 1, entries: entriesOf([3, 3, 3], 2) });
    const { persist } = core.takeEffects();
    expect(persist?.truncateFrom).to.equal(2);
    expect(persist?.entries.map(({ index, term }) => `${term}/${index}`)).to.deep.equal([
      '3/2',
      '3/3',
      '3/4',
    ]);
  });

  it('the disk holds what the core says is durable, after every write', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    const b = cluster.member('b');
    cluster.elect('a');
    b.diskStalled = true;
    for (const command of ['x', 'y', 'z']) {
      cluster.propose('a', command);
      cluster.settle();
    }
    expect(b.writes.length).to.be.greaterThan(1);
    while (cluster.completeWrite('b')) {
      expect(b.disk.entries.length).to.be.at.least(b.core.durableIndex);
    }
    expect(b.core.durableIndex).to.equal(4);
  });
});

describe('durability: what is recovered', () => {
  it('must be contiguous from 1, with terms that never decrease and do not exceed the own', () => {
    const hardState = { term: 2, votedFor: null };
    expect(() => createCore({ hardState, entries: entriesOf([1, 1], 2) })).to.throw('gap');
    expect(() => createCore({ hardState, entries: entriesOf([2, 1]) })).to.throw('term 1 after 2');
    expect(() => createCore({ hardState, entries: entriesOf([3]) })).to.throw("below an entry's 3");
  });

  it('options that contradict each other are refused', () => {
    expect(() => createCore({ heartbeatTicks: ELECTION_TICKS })).to.throw('must be below');
    expect(() => createCore({ voters: ['a', 'a'] })).to.throw('named once');
    expect(() => createCore({ maxInflight: 0 })).to.throw('maxInflight');
    expect(() => createCore({ random: () => 1 })).to.throw('random() returned 1');
  });
});
