import { expect } from 'chai';
import { describe, it } from 'mocha';
import { createConfiguration } from '../../src/raft/configuration.ts';
import type { RaftCore } from '../../src/raft/raft-core.ts';
import type { RestoreResult } from '../../src/raft/snapshot.ts';
import {
  acknowledge,
  answerHeartbeat,
  appendEntries,
  createCore,
  drain,
  entriesOf,
  makeCandidate,
  makeLeader,
  messagesOf,
  refuse,
  tick,
} from './core-fixture.ts';

const configuration = createConfiguration(['a', 'b', 'c']);

/** `a` with entries 11 to 15 behind the base 10, applied up to 12, all of term 1. */
function createCompacted(): RaftCore {
  return createCore({
    hardState: { term: 1, votedFor: null },
    base: { index: 10, term: 1 },
    entries: entriesOf([1, 1, 1, 1, 1], 11),
    checkpoint: { index: 12, term: 1, configuration },
  });
}

/** As above, leading term 2 with the no-op 16; `c` has told that it lacks everything. */
function createLeaderOfLagging(): RaftCore {
  const core = createCompacted();
  makeLeader(core);
  acknowledge(core, 'b', 16);
  drain(core);
  refuse(core, 'c', 15);
  return core;
}

/** Where `c` stands in the eyes of the leader. */
function stateOfC(core: RaftCore): string | undefined {
  return core.peers.find(({ member }) => member === 'c')?.state;
}

function restore(core: RaftCore, index: number, term: number, leaderTerm = core.term): RestoreResult {
  return core.restore({ from: 'b', leaderTerm, index, term, configuration });
}

describe('snapshot: start from a checkpoint', () => {
  it('hands out only what follows the checkpoint, once it is committed again', () => {
    const core = createCompacted();
    expect([core.commitIndex, core.lastIndex, core.base.index]).to.deep.equal([12, 15, 10]);
    const { persists, committed } = makeLeader(core);
    expect([persists[0]?.snapshot, persists[0]?.truncateFrom]).to.deep.equal([null, null]);
    acknowledge(core, 'b', 16);
    expect([...committed, ...drain(core).committed].map(({ index }) => index)).to.deep.equal([
      13, 14, 15, 16,
    ]);
  });

  it('a checkpoint that ends before the log begins is refused: entries are missing', () => {
    const create = () =>
      createCore({ base: { index: 5, term: 0 }, checkpoint: { index: 4, term: 0, configuration } });
    expect(create).to.throw('begins after 5, but the checkpoint ends at 4');
  });

  it('a checkpoint that the log lacks came with a snapshot: the log is begun anew, the term taken over', () => {
    const core = createCore({
      hardState: { term: 2, votedFor: 'b' },
      entries: entriesOf([1, 2]),
      checkpoint: { index: 20, term: 3, configuration },
    });
    expect([core.term, core.votedFor, core.commitIndex, core.lastIndex]).to.deep.equal([3, null, 20, 20]);
    const { persist } = core.takeEffects();
    expect(persist?.snapshot).to.deep.equal({ index: 20, term: 3 });
    expect(persist?.hardState).to.deep.equal({ term: 3, votedFor: null });
    expect(core.takeEffects().persist).to.equal(null);
  });

  it('brings its configuration, whatever voters the options name', () => {
    const core = createCore({ voters: [], checkpoint: { index: 3, term: 0, configuration } });
    expect(core.configuration).to.deep.equal(configuration);
    expect(core.configurationAt(3)).to.deep.equal(configuration);
    expect(makeLeader(core).sent).to.not.have.length(0);
    expect(core.role).to.equal('leader');
  });
});

describe('snapshot: sender (paper §7)', () => {
  it('a peer that lacks what was compacted is reported once, and gets heartbeats but no appends', () => {
    const core = createLeaderOfLagging();
    expect(drain(core).snapshotsNeeded).to.deep.equal([{ to: 'c', leaderTerm: 2, index: 10 }]);
    core.propose([Buffer.from('x')]);
    tick(core, 3);
    const drained = drain(core);
    answerHeartbeat(core, 'c', drained.sent);
    refuse(core, 'c', 15);
    const later = drain(core);
    expect([...drained.snapshotsNeeded, ...later.snapshotsNeeded]).to.deep.equal([]);
    expect(messagesOf([...drained.sent, ...later.sent], 'AppendEntries', 'c')).to.deep.equal([]);
    expect(messagesOf(drained.sent, 'Heartbeat', 'c')).to.have.length(3);
  });

  it('the acknowledgement after it goes on with appends, before or without any report', () => {
    const core = createLeaderOfLagging();
    drain(core);
    acknowledge(core, 'c', 12);
    const [append] = messagesOf(drain(core).sent, 'AppendEntries', 'c');
    expect([append?.prevLogIndex, append?.prevLogTerm, append?.entries.length]).to.deep.equal([12, 1, 4]);
    core.snapshotSent('c', 12);
    core.snapshotFailed('c');
    expect(stateOfC(core)).to.equal('replicate');
  });

  it('reported as sent, the peer is asked about what follows it, once it shows life', () => {
    const core = createLeaderOfLagging();
    drain(core);
    core.snapshotSent('c', 12);
    core.tick();
    const { sent } = drain(core);
    expect(messagesOf(sent, 'AppendEntries', 'c')).to.deep.equal([]);
    answerHeartbeat(core, 'c', sent);
    expect(messagesOf(drain(core).sent, 'AppendEntries', 'c')[0]?.prevLogIndex).to.equal(12);
  });

  it('reported as failed, the peer is asked anew once it shows life, and gets another if it lacks as much', () => {
    const core = createLeaderOfLagging();
    drain(core);
    core.snapshotFailed('c');
    core.tick();
    const { sent, snapshotsNeeded } = drain(core);
    expect([messagesOf(sent, 'AppendEntries', 'c'), snapshotsNeeded]).to.deep.equal([[], []]);
    answerHeartbeat(core, 'c', sent);
    expect(messagesOf(drain(core).sent, 'AppendEntries', 'c')[0]?.prevLogIndex).to.equal(10);
    refuse(core, 'c', 10);
    expect(drain(core).snapshotsNeeded).to.deep.equal([{ to: 'c', leaderTerm: 2, index: 10 }]);
  });

  it('reported as failed although it arrived, the peer is found to have it', () => {
    const core = createLeaderOfLagging();
    drain(core);
    core.snapshotFailed('c');
    acknowledge(core, 'c', 12);
    expect(messagesOf(drain(core).sent, 'AppendEntries', 'c')[0]?.entries[0]?.index).to.equal(13);
  });

  it('ends by itself when the peer turns out to have what the log follows, and not before', () => {
    const core = createLeaderOfLagging();
    drain(core);
    acknowledge(core, 'c', 9);
    expect(stateOfC(core)).to.equal('snapshot');
    acknowledge(core, 'c', 10);
    expect(stateOfC(core)).to.equal('replicate');
    expect(messagesOf(drain(core).sent, 'AppendEntries', 'c')[0]?.entries[0]?.index).to.equal(11);
  });

  it('does not end because some message could not be delivered', () => {
    const core = createLeaderOfLagging();
    drain(core);
    core.unreachable('c');
    expect(stateOfC(core)).to.equal('snapshot');
  });

  it('a refusal from before the snapshot, late, does not take the peer back', () => {
    const core = createLeaderOfLagging();
    drain(core);
    acknowledge(core, 'c', 12);
    drain(core);
    refuse(core, 'c', 15);
    refuse(core, 'c', 10);
    const { sent, snapshotsNeeded } = drain(core);
    expect(snapshotsNeeded).to.deep.equal([]);
    for (const { prevLogIndex } of messagesOf(sent, 'AppendEntries', 'c')) {
      expect(prevLogIndex).to.be.at.least(12);
    }
  });

  it('a peer that compaction overtook is asked what it has: a snapshot is for those that say they lack it', () => {
    const core = createCore();
    makeLeader(core);
    acknowledge(core, 'b', 1);
    acknowledge(core, 'c', 1);
    core.propose(['x', 'y', 'z'].map((text) => Buffer.from(text)));
    drain(core);
    acknowledge(core, 'b', 4);
    drain(core);
    core.unreachable('c');
    core.compact(4);
    const { sent, snapshotsNeeded } = drain(core);
    expect(messagesOf(sent, 'AppendEntries', 'c')[0]?.prevLogIndex).to.equal(4);
    expect(snapshotsNeeded).to.deep.equal([]);
    refuse(core, 'c', 4, { index: 1, term: 1 });
    expect(drain(core).snapshotsNeeded).to.deep.equal([{ to: 'c', leaderTerm: 1, index: 4 }]);
  });

  it('is not for others than the leader to report on', () => {
    const core = createCompacted();
    core.snapshotSent('c', 12);
    core.snapshotFailed('c');
    makeLeader(core);
    core.snapshotSent('nobody', 12);
    expect(() => core.snapshotSent('c', 15)).to.throw('a snapshot of 15, which is not committed');
  });
});

describe('snapshot: receiver (paper §7, figure 13)', () => {
  it('one that is ahead of the log takes its place; the acknowledgement waits for the disk', () => {
    const core = createCore({ hardState: { term: 1, votedFor: null }, entries: entriesOf([1, 1]) });
    expect(core.wantsSnapshot({ index: 20, term: 3 })).to.equal(true);
    expect(restore(core, 20, 3, 4)).to.equal('restored');
    expect([core.term, core.leader, core.commitIndex, core.lastIndex]).to.deep.equal([4, 'b', 20, 20]);
    const { sendNow, persist, committed } = core.takeEffects();
    expect([sendNow, committed]).to.deep.equal([[], []]);
    expect(persist).to.deep.include({
      hardState: { term: 4, votedFor: null },
      snapshot: { index: 20, term: 3 },
    });
    expect(messagesOf(persist?.sendAfterDurable ?? [], 'AppendEntriesResponse', 'b')).to.deep.include.members(
      [
        {
          type: 'AppendEntriesResponse',
          term: 4,
          success: true,
          prevLogIndex: 20,
          matchIndex: 20,
          hintIndex: 0,
          hintTerm: 0,
        },
      ],
    );
  });

  it('then appends, and `committed` goes on after it', () => {
    const core = createCore();
    restore(core, 20, 3, 4);
    appendEntries(core, 'b', {
      term: 4,
      prevLogIndex: 20,
      prevLogTerm: 3,
      entries: entriesOf([4, 4], 21),
      leaderCommit: 21,
    });
    const { persists, committed } = drain(core);
    expect(persists).to.have.length(1);
    expect(persists[0]?.entries.map(({ index }) => index)).to.deep.equal([21, 22]);
    expect(committed.map(({ index }) => index)).to.deep.equal([21]);
  });

  it('one that the log already holds only tells what is committed; what follows in the log stays', () => {
    const core = createCore({ hardState: { term: 1, votedFor: null }, entries: entriesOf([1, 1, 1, 1]) });
    expect(core.wantsSnapshot({ index: 3, term: 1 })).to.equal(false);
    expect(restore(core, 3, 1)).to.equal('caught_up');
    const { sent, committed, persists } = drain(core);
    expect(persists).to.deep.equal([]);
    expect(committed.map(({ index }) => index)).to.deep.equal([1, 2, 3]);
    expect(messagesOf(sent, 'AppendEntriesResponse', 'b')[0]?.matchIndex).to.equal(3);
    expect([core.lastIndex, core.base.index]).to.deep.equal([4, 0]);
  });

  it('an uncommitted log in conflict with it is dropped, also what is longer than it', () => {
    const core = createCore({ hardState: { term: 2, votedFor: null }, entries: entriesOf([1, 2, 2, 2]) });
    expect(restore(core, 3, 3, 3)).to.equal('restored');
    expect([core.lastIndex, core.termAt(3), core.termAt(2)]).to.deep.equal([3, 3, undefined]);
    expect(drain(core).persists[0]?.snapshot).to.deep.equal({ index: 3, term: 3 });
  });

  it('twice, or an older one after a newer one, is answered with what is committed and changes nothing', () => {
    const core = createCore();
    restore(core, 20, 3, 4);
    restore(core, 30, 4, 4);
    expect(restore(core, 30, 4, 4)).to.equal('ignored');
    expect(restore(core, 20, 3, 4)).to.equal('ignored');
    expect(core.wantsSnapshot({ index: 20, term: 3 })).to.equal(false);
    const { persists, sent } = drain(core);
    expect(persists.map(({ snapshot }) => snapshot)).to.deep.equal([{ index: 30, term: 4 }]);
    expect(messagesOf(sent, 'AppendEntriesResponse', 'b').map(({ matchIndex }) => matchIndex)).to.deep.equal([
      30,
    ]);
    expect([core.commitIndex, core.lastIndex]).to.deep.equal([30, 30]);
  });

  it('a second one while the write of the first is under way is a second write', () => {
    const core = createCore();
    restore(core, 20, 3, 4);
    const first = core.takeEffects().persist;
    restore(core, 30, 4, 4);
    const second = core.takeEffects().persist;
    expect([first?.snapshot?.index, second?.snapshot?.index]).to.deep.equal([20, 30]);
    core.persisted(first?.token ?? 0);
    core.persisted(second?.token ?? 0);
    expect(core.durableIndex).to.equal(30);
  });

  it('from a leader that has been deposed meanwhile is as good: it holds committed state only', () => {
    const core = createCore({ hardState: { term: 6, votedFor: null } });
    appendEntries(core, 'c', { term: 6 });
    drain(core);
    expect(restore(core, 20, 3, 5)).to.equal('restored');
    expect([core.term, core.leader]).to.deep.equal([6, 'c']);
    expect(messagesOf(drain(core).sent, 'AppendEntriesResponse', 'c')[0]?.matchIndex).to.equal(20);
  });

  it('ends a campaign, whose requests name a log that is no longer there', () => {
    const core = createCore();
    makeCandidate(core, ['b']);
    expect(core.role).to.equal('candidate');
    expect(restore(core, 20, 0, 0)).to.equal('restored');
    expect(core.role).to.equal('follower');
    core.receive('b', { type: 'RequestVoteResponse', term: core.term, granted: true });
    expect(core.role).to.equal('follower');
  });

  it('is nothing to a leader, which has all that is committed', () => {
    const core = createCompacted();
    makeLeader(core);
    expect(core.wantsSnapshot({ index: 14, term: 1 })).to.equal(false);
    expect(restore(core, 14, 1, 1)).to.equal('ignored');
    expect([core.role, core.commitIndex]).to.deep.equal(['leader', 12]);
    expect(() => restore(core, 14, 1, core.term)).to.throw('leads term 2');
  });

  it('moves a member into the term of its sender, so that appends of a deposed leader do not follow it', () => {
    const core = createCore({ hardState: { term: 6, votedFor: null } });
    restore(core, 20, 5, 7);
    drain(core);
    appendEntries(core, 'c', { term: 6, prevLogIndex: 19, prevLogTerm: 6, entries: entriesOf([6, 6], 20) });
    expect(messagesOf(drain(core).sent, 'AppendEntriesResponse', 'c')[0]).to.deep.include({
      success: false,
      term: 7,
    });
    expect(core.lastIndex).to.equal(20);
  });
});

describe('snapshot: appends that meet a compacted log', () => {
  it('one that begins before the base is taken from there on', () => {
    const core = createCompacted();
    appendEntries(core, 'b', {
      term: 2,
      prevLogIndex: 8,
      prevLogTerm: 1,
      entries: entriesOf([1, 1, 1, 1, 1, 1, 1, 2], 9),
      leaderCommit: 14,
    });
    const { sent, persists, committed } = drain(core);
    expect(messagesOf(sent, 'AppendEntriesResponse')[0]).to.deep.include({ success: true, matchIndex: 16 });
    expect(persists[0]?.entries.map(({ index }) => index)).to.deep.equal([16]);
    expect(committed.map(({ index }) => index)).to.deep.equal([13, 14]);
  });

  it('one that ends before the base is answered with the base', () => {
    const core = createCompacted();
    appendEntries(core, 'b', { term: 2, prevLogIndex: 3, prevLogTerm: 1, entries: entriesOf([1, 1], 4) });
    expect(messagesOf(drain(core).sent, 'AppendEntriesResponse')[0]).to.deep.include({
      success: true,
      prevLogIndex: 3,
      matchIndex: 10,
    });
    expect(core.lastIndex).to.equal(15);
  });

  it('one after the end is refused with where the logs may agree', () => {
    const core = createCompacted();
    appendEntries(core, 'b', { term: 2, prevLogIndex: 30, prevLogTerm: 2 });
    expect(messagesOf(drain(core).sent, 'AppendEntriesResponse')[0]).to.deep.include({
      success: false,
      hintIndex: 15,
      hintTerm: 1,
    });
  });
});
