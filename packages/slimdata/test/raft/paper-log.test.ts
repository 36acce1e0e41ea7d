import { expect } from 'chai';
import { describe, it } from 'mocha';
import { EntryKind } from '../../src/raft/types.ts';
import { Cluster } from './cluster.ts';
import {
  acknowledge,
  appendEntries,
  createCore,
  drain,
  entriesOf,
  makeCandidate,
  makeLeader,
  messagesOf,
  termsOf,
} from './core-fixture.ts';

/*
 * The sentences of "In Search of an Understandable Consensus Algorithm" (Ongaro & Ousterhout, 2014, extended
 * version), each as a test of one member or a few.
 */

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

describe('paper §5.3 log replication', () => {
  it('a leader appends a command to its log and sends it to all others in parallel', () => {
    const core = createCore();
    makeLeader(core);
    acknowledge(core, 'b', 1);
    acknowledge(core, 'c', 1);
    drain(core);
    expect(core.propose([Buffer.from('x')])).to.equal('accepted');
    const { sendNow, persist } = core.takeEffects();
    const expected = { index: 2, term: 1, kind: EntryKind.Command, payload: Buffer.from('x') };
    expect(persist?.entries).to.deep.equal([expected]);
    expect(sendNow.map(({ to }) => to)).to.deep.equal(['b', 'c']);
    for (const { message } of sendNow) {
      expect(message).to.deep.include({
        type: 'AppendEntries',
        prevLogIndex: 1,
        prevLogTerm: 1,
        entries: [expected],
        leaderCommit: 1,
      });
    }
  });

  it('an entry is committed once a majority has it durably', () => {
    const table: readonly (readonly [size: number, acks: number, committed: boolean])[] = [
      [1, 0, true],
      [3, 0, false],
      [3, 1, true],
      [3, 2, true],
      [5, 1, false],
      [5, 2, true],
      [7, 2, false],
      [7, 3, true],
    ];
    for (const [size, acks, committed] of table) {
      const others = NAMES.slice(1, size);
      const core = createCore({ voters: NAMES.slice(0, size) });
      makeLeader(core, others);
      for (const peer of others.slice(0, acks)) {
        acknowledge(core, peer, 1);
      }
      expect(core.commitIndex, `${acks} acknowledgements of ${size}`).to.equal(committed ? 1 : 0);
    }
  });

  it('with an entry of its term a leader commits all before it, earlier leaders` entries included', () => {
    const core = createCore({ hardState: { term: 2, votedFor: null }, entries: entriesOf([1, 2, 2]) });
    makeLeader(core);
    expect(core.commitIndex).to.equal(0);
    acknowledge(core, 'c', 4);
    expect(core.commitIndex).to.equal(4);
    expect(drain(core).committed.map(({ index, term }) => `${term}/${index}`)).to.deep.equal([
      '1/1',
      '2/2',
      '2/3',
      '3/4',
    ]);
  });

  it('followers learn of a commit at once and apply in the order of the log', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.propose('a', 'one', 'two');
    cluster.propose('a', 'three');
    cluster.settle();
    for (const name of cluster.members.keys()) {
      expect(cluster.commands(name), name).to.deep.equal(['one', 'two', 'three']);
    }
    expect(cluster.sent.filter(({ message }) => message.type === 'Heartbeat')).to.have.length(0);
  });

  it('a follower refuses entries if the one before them is missing or of another term', () => {
    const table = [
      { prevLogIndex: 0, prevLogTerm: 0, success: true, hint: [0, 0] },
      { prevLogIndex: 1, prevLogTerm: 1, success: true, hint: [0, 0] },
      { prevLogIndex: 2, prevLogTerm: 2, success: true, hint: [0, 0] },
      { prevLogIndex: 1, prevLogTerm: 2, success: false, hint: [1, 1] },
      { prevLogIndex: 2, prevLogTerm: 1, success: false, hint: [1, 1] },
      { prevLogIndex: 3, prevLogTerm: 3, success: false, hint: [2, 2] },
      { prevLogIndex: 9, prevLogTerm: 1, success: false, hint: [1, 1] },
    ];
    for (const { prevLogIndex, prevLogTerm, success, hint } of table) {
      const core = createCore({ hardState: { term: 2, votedFor: null }, entries: entriesOf([1, 2]) });
      appendEntries(core, 'b', { term: 3, prevLogIndex, prevLogTerm });
      const [response] = messagesOf(drain(core).sent, 'AppendEntriesResponse', 'b');
      expect(response, `${prevLogTerm}/${prevLogIndex}`).to.deep.equal({
        type: 'AppendEntriesResponse',
        term: 3,
        success,
        prevLogIndex,
        matchIndex: success ? prevLogIndex : 0,
        hintIndex: hint[0],
        hintTerm: hint[1],
      });
      expect(termsOf(core)).to.deep.equal([1, 2]);
    }
  });

  it('a follower removes what conflicts with the leader`s log, and nothing else', () => {
    const table = [
      { prev: [2, 2], append: [3], log: [1, 2, 3], truncateFrom: null },
      { prev: [1, 1], append: [3, 4], log: [1, 3, 4], truncateFrom: 2 },
      { prev: [0, 0], append: [1], log: [1, 2], truncateFrom: null },
      { prev: [0, 0], append: [3], log: [3], truncateFrom: 1 },
      { prev: [0, 0], append: [1, 2, 4], log: [1, 2, 4], truncateFrom: null },
    ];
    for (const { prev, append, log, truncateFrom } of table) {
      const core = createCore({ hardState: { term: 2, votedFor: null }, entries: entriesOf([1, 2]) });
      const [prevLogIndex = 0, prevLogTerm = 0] = prev;
      const entries = entriesOf(append, prevLogIndex + 1);
      appendEntries(core, 'b', { term: 4, prevLogIndex, prevLogTerm, entries });
      expect(termsOf(core)).to.deep.equal(log);
      expect(drain(core).persists[0]?.truncateFrom).to.equal(truncateFrom);
    }
  });

  it('a leader brings every kind of diverged follower to its own log (figure 7)', () => {
    const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const followers = {
      a: [1, 1, 1, 4, 4, 5, 5, 6, 6],
      b: [1, 1, 1, 4],
      c: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      d: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
      e: [1, 1, 1, 4, 4, 4, 4],
      f: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    };
    for (const [name, terms] of Object.entries(followers)) {
      const logs = new Map([
        ['leader', entriesOf(leader)],
        [name, entriesOf(terms)],
        ['third', []],
      ]);
      const cluster = new Cluster(['leader', name, 'third'], {}, logs);
      // Term 8 as in the figure; the empty third member gives the vote that c and d refuse.
      cluster.core('leader').receive('third', { type: 'RequestVoteResponse', term: 7, granted: false });
      cluster.elect('leader');
      expect(cluster.core('leader').term).to.equal(8);
      expect(termsOf(cluster.core(name)), name).to.deep.equal([...leader, 8]);
      expect(cluster.core(name).commitIndex).to.equal(11);
    }
  });

  it('a leader never changes or removes entries of its own log', () => {
    const core = createCore({ hardState: { term: 1, votedFor: null }, entries: entriesOf([1, 1]) });
    makeLeader(core);
    core.propose([Buffer.from('x')]);
    drain(core);
    core.receive('b', {
      type: 'AppendEntriesResponse',
      term: 2,
      success: false,
      prevLogIndex: 2,
      matchIndex: 0,
      hintIndex: 0,
      hintTerm: 0,
    });
    expect(termsOf(core)).to.deep.equal([1, 1, 2, 2]);
    expect(() => appendEntries(core, 'c', { term: 2, entries: entriesOf([2]) })).to.throw('leads term 2');
  });
});

describe('paper §5.4 safety', () => {
  it('a vote request carries the last entry of the candidate`s log', () => {
    const core = createCore({ hardState: { term: 3, votedFor: null }, entries: entriesOf([1, 2, 2]) });
    const { sent } = makeCandidate(core);
    expect(messagesOf(sent, 'RequestVote')).to.deep.equal(
      Array.from({ length: 2 }, () => ({
        type: 'RequestVote',
        term: 4,
        lastLogIndex: 3,
        lastLogTerm: 2,
        transfer: false,
      })),
    );
  });

  it('§5.4.2, figure 8: an old entry on a majority is not committed by counting', () => {
    // (c): S1, leader of term 4, has replicated the entry of term 2 to a majority ...
    const core = createCore({
      voters: NAMES.slice(0, 5),
      hardState: { term: 3, votedFor: null },
      entries: entriesOf([1, 2]),
    });
    makeLeader(core, ['b', 'c']);
    expect([core.term, core.lastIndex]).to.deep.equal([4, 3]);
    acknowledge(core, 'b', 2);
    acknowledge(core, 'c', 2);
    acknowledge(core, 'd', 2);
    expect(core.commitIndex).to.equal(0);
    // (e): ... and commits it once an entry of term 4 is on a majority.
    acknowledge(core, 'b', 3);
    expect(core.commitIndex).to.equal(0);
    acknowledge(core, 'c', 3);
    expect(core.commitIndex).to.equal(3);
  });

  it('§5.4.2, figure 8 (d): the old entry may still be replaced by another leader', () => {
    const names = NAMES.slice(0, 5);
    const logs = new Map([
      ['a', entriesOf([1, 2])],
      ['b', entriesOf([1, 2])],
      ['c', entriesOf([1, 2])],
      ['d', entriesOf([1])],
      ['e', entriesOf([1, 3])],
    ]);
    const cluster = new Cluster(names, {}, logs);
    cluster.isolate('a');
    cluster.elect('e');
    expect(cluster.leaders()).to.deep.equal(['e']);
    for (const name of ['b', 'c', 'd', 'e']) {
      expect(termsOf(cluster.core(name)), name).to.deep.equal([1, 3, 4]);
    }
  });

  it('§5.4.3: a later leader has every committed entry', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.isolate('c');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.commands('a')).to.deep.equal(['x']);
    cluster.isolate('a');
    cluster.elect('c');
    expect(cluster.leaders()).to.deep.equal(['a']);
    cluster.elect('b');
    expect(cluster.core('b').role).to.equal('leader');
    expect(cluster.commands('c')).to.deep.equal(['x']);
  });

  it('figure 2: a follower commits up to leaderCommit, but never past the last entry of the message', () => {
    const core = createCore({ hardState: { term: 1, votedFor: null }, entries: entriesOf([1, 1, 1, 1]) });
    // Entries 3 and 4 may be leftovers: this message says nothing of them.
    appendEntries(core, 'b', { term: 2, prevLogIndex: 2, prevLogTerm: 1, leaderCommit: 9 });
    expect(core.commitIndex).to.equal(2);
    appendEntries(core, 'b', {
      term: 2,
      prevLogIndex: 2,
      prevLogTerm: 1,
      entries: entriesOf([2], 3),
      leaderCommit: 2,
    });
    expect(core.commitIndex).to.equal(2);
    appendEntries(core, 'b', { term: 2, prevLogIndex: 3, prevLogTerm: 2, leaderCommit: 3 });
    expect(core.commitIndex).to.equal(3);
    appendEntries(core, 'b', { term: 2, leaderCommit: 0 });
    expect(core.commitIndex).to.equal(3);
  });
});

describe('paper §5.5 to §8', () => {
  it('§5.5: a doubled or late AppendEntries changes nothing', () => {
    const core = createCore();
    appendEntries(core, 'b', { term: 1, entries: entriesOf([1, 1, 1]) });
    drain(core);
    appendEntries(core, 'b', { term: 1, entries: entriesOf([1, 1]) });
    const { sent, persists } = drain(core);
    expect(persists).to.have.length(0);
    expect(core.lastIndex).to.equal(3);
    expect(messagesOf(sent, 'AppendEntriesResponse')[0]).to.include({ success: true, matchIndex: 2 });
  });

  it('§5.5: a follower that was down is brought up to date when it returns', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.isolate('c');
    for (let i = 1; i <= 5; i += 1) {
      cluster.propose('a', `${i}`);
      cluster.settle();
    }
    cluster.crash('c');
    cluster.heal();
    cluster.tick(2, ['a']);
    expect(cluster.commands('c')).to.deep.equal(['1', '2', '3', '4', '5']);
  });

  it('§5.6: term and vote survive a crash', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.crash('b');
    expect([cluster.core('b').term, cluster.core('b').votedFor]).to.deep.equal([1, 'a']);
  });

  it('§8: a leader opens its term with an entry that carries nothing', () => {
    const core = createCore();
    const { persists } = makeLeader(core);
    const [entry] = persists.flatMap(({ entries }) => entries);
    expect(entry).to.deep.equal({ index: 1, term: 1, kind: EntryKind.Noop, payload: new Uint8Array(0) });
  });
});
