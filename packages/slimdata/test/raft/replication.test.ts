import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { RaftCore } from '../../src/raft/raft-core.ts';
import { Cluster } from './cluster.ts';
import {
  acknowledge,
  appendEntries,
  createCore,
  createLeader,
  drain,
  ELECTION_TICKS,
  entriesOf,
  makeLeader,
  messagesOf,
  refuse,
  tick,
} from './core-fixture.ts';

/** Proposes one command and returns what goes to `peer`: index of the previous entry, and entry indexes. */
function proposeAndSend(core: RaftCore, peer = 'b'): number[][] {
  core.propose([Buffer.from('x')]);
  return appendsTo(core, peer);
}

function appendsTo(core: RaftCore, peer = 'b'): number[][] {
  return messagesOf(drain(core).sent, 'AppendEntries', peer).map(({ prevLogIndex, entries }) => [
    prevLogIndex,
    ...entries.map(({ index }) => index),
  ]);
}

function heartbeatAnswer(core: RaftCore, from = 'b', round = 1): void {
  core.receive(from, { type: 'HeartbeatResponse', term: core.term, round });
}

describe('replication: probing', () => {
  it('a new leader sends one append to each peer and waits for its answer', () => {
    const core = createCore();
    const { sent } = makeLeader(core);
    expect(messagesOf(sent, 'AppendEntries')).to.have.length(2);
    expect(proposeAndSend(core)).to.deep.equal([]);
    acknowledge(core, 'b', 1);
    expect(appendsTo(core)).to.deep.equal([[1, 2]]);
  });

  it('a probe that got no answer is sent again when the peer answers a heartbeat', () => {
    const core = createCore();
    makeLeader(core);
    tick(core, 2);
    expect(appendsTo(core)).to.deep.equal([]);
    heartbeatAnswer(core);
    expect(appendsTo(core)).to.deep.equal([[0, 1]]);
  });

  it('goes back by whole terms: a round trip per term that differs, not per entry', () => {
    const shared = Array.from({ length: 5 }, () => 1);
    const ofLeader = [...shared, ...Array.from({ length: 40 }, () => 5)];
    const ofFollower = [
      ...shared,
      ...Array.from({ length: 20 }, () => 2),
      ...Array.from({ length: 20 }, () => 4),
    ];
    const logs = new Map([
      ['a', entriesOf(ofLeader)],
      ['b', entriesOf(ofFollower)],
      ['c', entriesOf(shared)],
    ]);
    const cluster = new Cluster(['a', 'b', 'c'], {}, logs);
    cluster.elect('a');
    const rejections = cluster.sent.filter(
      ({ from, message }) => from === 'b' && message.type === 'AppendEntriesResponse' && !message.success,
    );
    expect(rejections.length).to.be.within(1, 3);
    expect(cluster.core('b').commitIndex).to.equal(ofLeader.length + 1);
  });

  it('an answer to an earlier probe is ignored', () => {
    const core = createCore({ hardState: { term: 1, votedFor: null }, entries: entriesOf([1, 1, 1, 1]) });
    makeLeader(core);
    refuse(core, 'b', 4, { index: 2, term: 1 });
    expect(appendsTo(core)).to.deep.equal([[2, 3, 4, 5]]);
    refuse(core, 'b', 4, { index: 0, term: 0 });
    expect(appendsTo(core)).to.deep.equal([]);
    refuse(core, 'b', 2, { index: 0, term: 0 });
    expect(appendsTo(core)).to.deep.equal([[0, 1, 2, 3, 4, 5]]);
  });

  it('a transport failure while probing sends nothing more until the peer is heard', () => {
    const core = createCore();
    makeLeader(core);
    core.unreachable('b');
    core.unreachable('b');
    expect(appendsTo(core)).to.deep.equal([]);
    heartbeatAnswer(core);
    expect(appendsTo(core)).to.deep.equal([[0, 1]]);
  });
});

describe('replication: the end of probing', () => {
  it('a probe that fits ends probing even if it brought nothing new', () => {
    const core = createLeader();
    core.unreachable('b');
    expect(appendsTo(core)).to.deep.equal([[1]]);
    acknowledge(core, 'b', 1);
    expect(proposeAndSend(core)).to.deep.equal([[1, 2]]);
    expect(proposeAndSend(core)).to.deep.equal([[2, 3]]);
  });

  it('a follower that refuses what it had acknowledged is asked again only after a heartbeat', () => {
    const core = createLeader();
    core.unreachable('b');
    expect(appendsTo(core)).to.deep.equal([[1]]);
    refuse(core, 'b', 1, { index: 0, term: 0 });
    expect(appendsTo(core)).to.deep.equal([]);
    heartbeatAnswer(core);
    expect(appendsTo(core)).to.deep.equal([[1]]);
  });

  it('while a probe is under way nothing else is sent, not even that more is committed', () => {
    const core = createCore({ voters: ['a', 'b', 'c', 'd', 'e'] });
    makeLeader(core, ['b', 'c']);
    core.propose([Buffer.from('x'), Buffer.from('y')]);
    drain(core);
    acknowledge(core, 'c', 3);
    acknowledge(core, 'b', 1);
    drain(core);
    core.unreachable('c');
    expect(appendsTo(core, 'c')).to.deep.equal([[3]]);
    acknowledge(core, 'b', 2);
    expect(core.commitIndex).to.equal(2);
    expect(appendsTo(core, 'c')).to.deep.equal([]);
  });
});

describe('replication: pipelining (thesis §10.2.1)', () => {
  it('appends follow each other without waiting for answers', () => {
    const core = createLeader();
    expect(proposeAndSend(core)).to.deep.equal([[1, 2]]);
    expect(proposeAndSend(core)).to.deep.equal([[2, 3]]);
    expect(proposeAndSend(core)).to.deep.equal([[3, 4]]);
  });

  it('all that is proposed between two takings of effects travels and is written together', () => {
    const core = createLeader();
    core.propose([Buffer.from('x'), Buffer.from('y')]);
    core.propose([Buffer.from('z')]);
    const { sendNow, persist } = core.takeEffects();
    expect(messagesOf(sendNow, 'AppendEntries', 'b').map(({ entries }) => entries.length)).to.deep.equal([3]);
    expect(persist?.entries.map(({ index }) => index)).to.deep.equal([2, 3, 4]);
  });

  it('a message holds entries up to its bound, and one larger entry alone', () => {
    const core = createLeader({ maxEntriesBytes: 200 });
    const sizes = [60, 60, 60, 500, 1];
    core.propose(sizes.map((size) => new Uint8Array(size)));
    expect(appendsTo(core)).to.deep.equal([
      [1, 2, 3],
      [3, 4],
      [4, 5],
      [5, 6],
    ]);
  });

  it('no more messages are under way than the window holds; acknowledgements free it', () => {
    const core = createLeader({ maxInflight: 2 });
    expect(proposeAndSend(core)).to.deep.equal([[1, 2]]);
    expect(proposeAndSend(core)).to.deep.equal([[2, 3]]);
    expect(proposeAndSend(core)).to.deep.equal([]);
    expect(proposeAndSend(core)).to.deep.equal([]);
    acknowledge(core, 'b', 2);
    expect(appendsTo(core)).to.deep.equal([[3, 4, 5]]);
    acknowledge(core, 'b', 5);
    expect(proposeAndSend(core)).to.deep.equal([[5, 6]]);
  });

  it('no more bytes are under way than the window holds', () => {
    const core = createLeader({ maxInflightBytes: 300 });
    const propose = () => {
      core.propose([new Uint8Array(200)]);
      return appendsTo(core).filter((append) => append.length > 1);
    };
    expect(propose()).to.deep.equal([[1, 2]]);
    expect(propose()).to.deep.equal([[2, 3]]);
    expect(propose()).to.deep.equal([]);
    acknowledge(core, 'b', 3);
    expect(appendsTo(core)).to.deep.equal([[3, 4]]);
  });

  it('a full window that was lost is found by an empty append and sent again', () => {
    const core = createLeader({ maxInflight: 1 });
    expect(proposeAndSend(core)).to.deep.equal([[1, 2]]);
    expect(proposeAndSend(core)).to.deep.equal([]);
    heartbeatAnswer(core);
    expect(appendsTo(core)).to.deep.equal([[2]]);
    refuse(core, 'b', 2, { index: 1, term: 1 });
    expect(appendsTo(core)).to.deep.equal([[1, 2, 3]]);
  });

  it('the last append, if it is lost, is found out by the next heartbeat', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.isolate('c');
    cluster.propose('a', 'x');
    cluster.settle();
    cluster.heal();
    cluster.tick(1, ['a']);
    expect(cluster.commands('c')).to.deep.equal(['x']);
  });

  it('a lost message makes the leader return to what is known, once', () => {
    const core = createLeader();
    expect(proposeAndSend(core)).to.deep.equal([[1, 2]]);
    expect(proposeAndSend(core)).to.deep.equal([[2, 3]]);
    core.unreachable('b');
    expect(appendsTo(core)).to.deep.equal([[1, 2, 3]]);
    expect(proposeAndSend(core)).to.deep.equal([]);
    acknowledge(core, 'b', 3);
    expect(appendsTo(core)).to.deep.equal([[3, 4]]);
  });

  it('a rejection of something acknowledged since is ignored', () => {
    const core = createLeader();
    proposeAndSend(core);
    acknowledge(core, 'b', 2);
    drain(core);
    refuse(core, 'b', 1, { index: 0, term: 0 });
    expect(proposeAndSend(core)).to.deep.equal([[2, 3]]);
    expect(proposeAndSend(core), 'still pipelining').to.deep.equal([[3, 4]]);
  });

  it('acknowledgements may come late and in any order', () => {
    const core = createLeader();
    proposeAndSend(core);
    proposeAndSend(core);
    acknowledge(core, 'b', 3);
    acknowledge(core, 'b', 2);
    acknowledge(core, 'b', 1);
    expect(core.commitIndex).to.equal(3);
    drain(core);
    expect(proposeAndSend(core)).to.deep.equal([[3, 4]]);
  });
});

describe('replication: commit', () => {
  it('is told to followers at once by an empty append if nothing else is sent', () => {
    const core = createLeader();
    proposeAndSend(core);
    acknowledge(core, 'b', 2);
    const appends = messagesOf(drain(core).sent, 'AppendEntries', 'b');
    expect(appends).to.deep.equal([
      { type: 'AppendEntries', term: 1, prevLogIndex: 2, prevLogTerm: 1, entries: [], leaderCommit: 2 },
    ]);
    expect(appendsTo(core)).to.deep.equal([]);
  });

  it('travels with entries if there are any', () => {
    const core = createLeader();
    proposeAndSend(core);
    acknowledge(core, 'b', 2);
    core.propose([Buffer.from('y')]);
    const appends = messagesOf(drain(core).sent, 'AppendEntries', 'b');
    expect(appends.map(({ entries, leaderCommit }) => [entries.length, leaderCommit])).to.deep.equal([
      [1, 2],
    ]);
  });

  it('a heartbeat tells of no commit beyond what the follower has', () => {
    const core = createLeader();
    proposeAndSend(core);
    acknowledge(core, 'b', 2);
    core.tick();
    const { sent } = drain(core);
    expect(messagesOf(sent, 'Heartbeat', 'b')[0]?.commit).to.equal(2);
    expect(messagesOf(sent, 'Heartbeat', 'c')[0]?.commit).to.equal(0);
  });

  it('a follower commits with a heartbeat if the append that told it was lost', () => {
    const core = createCore();
    appendEntries(core, 'b', { term: 1, entries: entriesOf([1, 1]) });
    drain(core);
    core.receive('b', { type: 'Heartbeat', term: 1, commit: 2, round: 1 });
    expect(drain(core).committed.map(({ index }) => index)).to.deep.equal([1, 2]);
  });

  it('a member whose disk lost what it had acknowledged stops', () => {
    const core = createCore();
    expect(() => core.receive('b', { type: 'Heartbeat', term: 1, commit: 3, round: 1 })).to.throw(
      'this disk lost entries it had acknowledged',
    );
  });

  it('an append that contradicts a committed entry stops the member', () => {
    const core = createCore();
    appendEntries(core, 'b', { term: 1, entries: entriesOf([1, 1]), leaderCommit: 2 });
    expect(() => appendEntries(core, 'c', { term: 2, entries: entriesOf([2]) })).to.throw('committed');
  });

  it('an answer from beyond the leader`s log stops the leader', () => {
    const core = createLeader();
    expect(() => acknowledge(core, 'b', 7)).to.throw('acknowledged 7');
  });

  it('answers of strangers are ignored', () => {
    const core = createLeader();
    proposeAndSend(core);
    acknowledge(core, 'x', 2);
    heartbeatAnswer(core, 'x');
    core.unreachable('x');
    expect(core.commitIndex).to.equal(1);
  });
});

describe('replication: proposals', () => {
  it('are taken by the leader only', () => {
    const core = createCore();
    expect(core.propose([Buffer.from('x')])).to.equal('not_leader');
    expect(core.lastIndex).to.equal(0);
  });

  it('are refused while too many bytes wait to be committed, all or none', () => {
    const core = createLeader({ maxUncommittedBytes: 1000 });
    expect(core.propose([new Uint8Array(600)])).to.equal('accepted');
    expect(core.propose([new Uint8Array(1), new Uint8Array(600)])).to.equal('overloaded');
    expect(core.lastIndex).to.equal(2);
    drain(core);
    acknowledge(core, 'b', 2);
    expect(core.propose([new Uint8Array(1), new Uint8Array(600)])).to.equal('accepted');
  });

  it('one of any size is taken when nothing waits', () => {
    const core = createLeader({ maxUncommittedBytes: 1000 });
    expect(core.propose([new Uint8Array(5000)])).to.equal('accepted');
    expect(core.propose([new Uint8Array(1)])).to.equal('overloaded');
  });

  it('the uncommitted entries that a new leader finds count too', () => {
    const entries = entriesOf([1, 1, 1, 1, 1, 1, 1, 1]);
    const core = createCore({ hardState: { term: 1, votedFor: null }, entries, maxUncommittedBytes: 300 });
    makeLeader(core);
    expect(core.propose([new Uint8Array(10)])).to.equal('overloaded');
    acknowledge(core, 'b', 9);
    expect(core.propose([new Uint8Array(10)])).to.equal('accepted');
  });

  it('of a leader that loses its leadership may be replaced', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.isolate('a');
    cluster.propose('a', 'lost');
    cluster.settle();
    cluster.elect('b');
    cluster.propose('b', 'kept');
    cluster.settle();
    cluster.heal();
    cluster.tick(ELECTION_TICKS, ['b']);
    for (const name of ['a', 'b', 'c']) {
      expect(cluster.commands(name), name).to.deep.equal(['kept']);
    }
  });
});
