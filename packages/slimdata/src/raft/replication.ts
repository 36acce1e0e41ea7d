import assert from 'node:assert/strict';
import type { Progress } from './progress.ts';
import { committedIndex } from './quorum.ts';
import { entryBytes } from './raft-log.ts';
import type { Leading, RaftState } from './raft-state.ts';
import type { AppendEntriesResponse, Entry, EntryKind, MemberName } from './types.ts';

/**
 * `accepted`: in this leader's log; it may still be lost with its leadership.
 * `not_leader`: this member does not lead, or is handing its leadership over. Nothing was appended.
 * `overloaded`: too many bytes wait to be committed. Nothing was appended.
 */
export type ProposeResult = 'accepted' | 'not_leader' | 'overloaded';

/** Appends all of the payloads, or none, to the leader's log (paper §5.3). They leave with the next effects. */
export function propose(state: RaftState, payloads: readonly Uint8Array[], kind: EntryKind): ProposeResult {
  const { leading, log, term, options } = state;
  if (leading === null || leading.transfer !== null || leading.retiring) {
    return 'not_leader';
  }
  const entries: Entry[] = payloads.map((payload, i) => ({
    index: log.lastIndex + 1 + i,
    term,
    kind,
    payload,
  }));
  const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
  // With nothing waiting, even an oversized proposal may pass: refused, it could never succeed.
  if (leading.uncommittedBytes > 0 && leading.uncommittedBytes + bytes > options.maxUncommittedBytes) {
    return 'overloaded';
  }
  leading.uncommittedBytes += bytes;
  log.append(entries);
  return 'accepted';
}

/** Sends each peer what it lacks and has room for. Called once per batch of inputs, so that appends batch too. */
export function replicate(state: RaftState, leading: Leading): void {
  for (const [peer, progress] of leading.peers) {
    replicateTo(state, peer, progress);
  }
}

/** A peer's answer to an append, of the present term. */
export function receiveAppendEntriesResponse(
  state: RaftState,
  leading: Leading,
  from: MemberName,
  message: AppendEntriesResponse,
): void {
  const progress = leading.peers.get(from);
  if (progress === undefined) {
    return;
  }
  progress.recentlyActive = true;
  if (!message.success) {
    const index = state.log.lastPossibleMatch(message.hintIndex, message.hintTerm);
    if (progress.rejected(message.prevLogIndex, index, state.log.base.index)) {
      progress.appendDue = true;
    }
    return;
  }
  assert(
    message.matchIndex <= state.log.lastIndex,
    `"${from}" acknowledged ${message.matchIndex}, but the leader's log ends at ${state.log.lastIndex}`,
  );
  if (progress.acknowledged(message.matchIndex, state.log.base.index)) {
    advanceCommit(state, leading);
  }
}

/**
 * Commits what a quorum has durably, this member's own disk counted like any other. Only an entry of the
 * present term is committed by counting; earlier ones with it (paper §5.4.2, figure 8).
 */
export function advanceCommit(state: RaftState, leading: Leading): void {
  const { log, member, configuration, term } = state;
  const before = log.commitIndex;
  const index = committedIndex(configuration, (name) =>
    name === member ? log.durableIndex : leading.peers.get(name)?.match,
  );
  if (index <= before || log.termAt(index) !== term) {
    return;
  }
  log.commitTo(index);
  for (let committed = before + 1; committed <= index; committed += 1) {
    const entry = log.entryAt(committed);
    leading.uncommittedBytes -= entry === undefined ? 0 : entryBytes(entry);
  }
  assert(leading.uncommittedBytes >= 0, 'more bytes committed than were taken on');
}

function replicateTo(state: RaftState, peer: MemberName, progress: Progress): void {
  const { log, options, outbox, term } = state;
  if (progress.takeSnapshotDue()) {
    outbox.snapshotNeeded({ to: peer, leaderTerm: term, index: log.base.index });
  }
  if (progress.next <= log.base.index && !progress.waiting) {
    // Compaction has overtaken it.
    progress.becomeProbe(log.base.index);
    progress.appendDue = true;
  }
  let sent = false;
  while (progress.open && progress.next <= log.lastIndex) {
    sendAppend(state, peer, progress, log.entriesFrom(progress.next, options.maxEntriesBytes));
    sent = true;
  }
  // Followers must not wait for the next entry or heartbeat to learn of a commit. And with a full window an
  // empty append still asks whether the window arrived: if it was lost, nothing else would ever tell.
  const newsOfCommit = Math.min(log.commitIndex, progress.next - 1) > progress.sentCommit;
  if (!sent && !progress.waiting && (progress.appendDue || newsOfCommit)) {
    sendAppend(state, peer, progress, []);
  }
  progress.appendDue = false;
}

function sendAppend(state: RaftState, peer: MemberName, progress: Progress, entries: readonly Entry[]): void {
  const { log, outbox, term } = state;
  const prevLogIndex = progress.next - 1;
  const prevLogTerm = log.termAt(prevLogIndex);
  assert(prevLogTerm !== undefined, `nothing at ${prevLogIndex} to append after`);
  const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
  outbox.sendNow(peer, {
    type: 'AppendEntries',
    term,
    prevLogIndex,
    prevLogTerm,
    entries,
    leaderCommit: log.commitIndex,
  });
  progress.sentCommit = log.commitIndex;
  progress.sent(entries.length, bytes);
}
