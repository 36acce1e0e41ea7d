import { encodeConfiguration } from '../../src/raft/configuration-codec.ts';
import { RaftCore } from '../../src/raft/raft-core.ts';
import type { RaftOptions } from '../../src/raft/raft-options.ts';
import {
  type Configuration,
  type Effects,
  type Entry,
  EntryKind,
  type Envelope,
  type LogPosition,
  type MemberName,
  type PersistEffect,
  type RaftMessage,
  type SnapshotNeeded,
} from '../../src/raft/types.ts';

/** With `random: () => 0` the election timeout is exactly this. */
export const ELECTION_TICKS = 10;

/** A core of `a` among a, b, c, on a fresh disk, unless told otherwise. */
export function createCore(options: Partial<RaftOptions> = {}): RaftCore {
  return new RaftCore({
    member: 'a',
    voters: ['a', 'b', 'c'],
    hardState: { term: 0, votedFor: null },
    entries: [],
    electionTicks: ELECTION_TICKS,
    heartbeatTicks: 1,
    random: () => 0,
    ...options,
  });
}

/** Commands with the given terms, from `firstIndex` on; the payload names term and index. */
export function entriesOf(terms: readonly number[], firstIndex = 1): Entry[] {
  return terms.map((term, i) => ({
    index: firstIndex + i,
    term,
    kind: EntryKind.Command,
    payload: Buffer.from(`${term}/${firstIndex + i}`),
  }));
}

/** An entry that puts `configuration` into force. */
export function configurationEntry(index: number, term: number, configuration: Configuration): Entry {
  return { index, term, kind: EntryKind.Configuration, payload: encodeConfiguration(configuration) };
}

/** Terms of all entries in the log. */
export function termsOf(core: RaftCore): number[] {
  return Array.from({ length: core.lastIndex }, (_, i) => core.termAt(i + 1) ?? -1);
}

export function tick(core: RaftCore, count: number): void {
  for (let i = 0; i < count; i += 1) {
    core.tick();
  }
}

/** What a core asked for until it wanted nothing more, with a disk that is done at once. */
export interface Drained {
  readonly sent: Envelope[];
  readonly persists: PersistEffect[];
  readonly committed: Entry[];
  readonly reads: Effects['readReady'][number][];
  readonly snapshotsNeeded: SnapshotNeeded[];
}

/** Performs effects until none are left; nothing of what is sent is delivered. */
export function drain(core: RaftCore): Drained {
  const drained: Drained = { sent: [], persists: [], committed: [], reads: [], snapshotsNeeded: [] };
  for (;;) {
    const { sendNow, persist, committed, readReady, snapshotsNeeded } = core.takeEffects();
    drained.sent.push(...sendNow, ...(persist?.sendAfterDurable ?? []));
    drained.committed.push(...committed);
    drained.reads.push(...readReady);
    drained.snapshotsNeeded.push(...snapshotsNeeded);
    if (persist !== null) {
      drained.persists.push(persist);
      core.persisted(persist.token);
    } else if (sendNow.length === 0 && committed.length === 0 && readReady.length === 0) {
      return drained;
    }
  }
}

/** The messages of one type, to everyone or to one member. */
export function messagesOf<T extends RaftMessage['type']>(
  sent: readonly Envelope[],
  type: T,
  to?: MemberName,
): Extract<RaftMessage, { type: T }>[] {
  return sent
    .filter((envelope) => to === undefined || envelope.to === to)
    .map((envelope) => envelope.message)
    .filter((message): message is Extract<RaftMessage, { type: T }> => message.type === type);
}

/** Lets the core's election timeout pass and grants it everything that it asks `voters` for. */
export function makeLeader(core: RaftCore, voters: readonly MemberName[] = ['b']): Drained {
  makeCandidate(core, voters);
  for (const voter of voters) {
    core.receive(voter, { type: 'RequestVoteResponse', term: core.term, granted: true });
  }
  return drain(core);
}

/** As `makeLeader`, up to the point where the votes have been asked for. */
export function makeCandidate(core: RaftCore, voters: readonly MemberName[] = ['b']): Drained {
  tick(core, ELECTION_TICKS);
  for (const voter of voters) {
    core.receive(voter, { type: 'PreVoteResponse', term: core.term + 1, granted: true });
  }
  return drain(core);
}

/** An acknowledgement of everything up to `matchIndex`. */
export function acknowledge(core: RaftCore, from: MemberName, matchIndex: number): void {
  core.receive(from, {
    type: 'AppendEntriesResponse',
    term: core.term,
    success: true,
    prevLogIndex: matchIndex - 1,
    matchIndex,
    hintIndex: 0,
    hintTerm: 0,
  });
}

/** A leader of term 1 that has committed its no-op, entry 1, with `b`. `c` is silent. */
export function createLeader(options: Partial<RaftOptions> = {}): RaftCore {
  const core = createCore(options);
  makeLeader(core);
  acknowledge(core, 'b', 1);
  drain(core);
  return core;
}

/** A refusal of the append after `prevLogIndex`: the logs may agree up to `hint`. */
export function refuse(
  core: RaftCore,
  from: MemberName,
  prevLogIndex: number,
  hint: LogPosition = { index: 0, term: 0 },
): void {
  core.receive(from, {
    type: 'AppendEntriesResponse',
    term: core.term,
    success: false,
    prevLogIndex,
    matchIndex: 0,
    hintIndex: hint.index,
    hintTerm: hint.term,
  });
}

/** The peer answers the newest heartbeat that it was sent. */
export function answerHeartbeat(core: RaftCore, from: MemberName, sent: readonly Envelope[]): void {
  const round = messagesOf(sent, 'Heartbeat', from).at(-1)?.round ?? 0;
  core.receive(from, { type: 'HeartbeatResponse', term: core.term, round });
}

/** An append of `entries` after `prevLogIndex` from the leader `from` of `term`. */
export function appendEntries(
  core: RaftCore,
  from: MemberName,
  append: {
    readonly term: number;
    readonly prevLogIndex?: number;
    readonly prevLogTerm?: number;
    readonly entries?: readonly Entry[];
    readonly leaderCommit?: number;
  },
): void {
  core.receive(from, {
    type: 'AppendEntries',
    prevLogIndex: 0,
    prevLogTerm: 0,
    entries: [],
    leaderCommit: 0,
    ...append,
  });
}
