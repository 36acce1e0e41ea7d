import assert from 'node:assert/strict';
import { startElection } from './election.ts';
import type { RaftState } from './raft-state.ts';
import { followLeader } from './role.ts';
import type { AppendEntries, Heartbeat, MemberName, RaftMessage, TimeoutNow } from './types.ts';

/** Paper figure 2, AppendEntries, receiver, for the present term. */
export function receiveAppendEntries(state: RaftState, from: MemberName, message: AppendEntries): void {
  followLeader(state, from);
  const { log, outbox, term } = state;
  const { prevLogIndex, prevLogTerm, entries, leaderCommit } = message;
  assert(entries[0] === undefined || entries[0].index === prevLogIndex + 1, 'entries follow prevLogIndex');
  // What is compacted here is committed and so equal to the leader's (leader completeness, paper §5.4.3): of a
  // message that begins before it, the rest is looked at.
  const skipped = Math.max(0, log.base.index - prevLogIndex);
  if (skipped === 0 && log.termAt(prevLogIndex) !== prevLogTerm) {
    refuseAppend(state, from, message);
    return;
  }
  log.merge(entries.slice(skipped));
  // Only what this message covers is known to equal the leader's log. Anything after it may be a leftover of
  // another term, which a larger leaderCommit would commit wrongly (paper figure 2, receiver step 5).
  const matchIndex = Math.max(prevLogIndex + entries.length, log.base.index);
  log.commitTo(Math.min(leaderCommit, matchIndex));
  outbox.sendAfterDurable(from, {
    type: 'AppendEntriesResponse',
    term,
    success: true,
    prevLogIndex,
    matchIndex,
    hintIndex: 0,
    hintTerm: 0,
  });
}

/** A refusal promises nothing; the sooner it leaves, the sooner the leader finds where the logs agree. */
function refuseAppend(state: RaftState, from: MemberName, message: AppendEntries): void {
  const { log, outbox, term } = state;
  const { prevLogIndex, prevLogTerm } = message;
  const hintIndex = log.lastPossibleMatch(prevLogIndex, prevLogTerm);
  const hintTerm = log.termAt(hintIndex);
  assert(hintTerm !== undefined, `the log of "${from}" differs at ${log.base.index}, which is committed`);
  outbox.sendNow(from, {
    type: 'AppendEntriesResponse',
    term,
    success: false,
    prevLogIndex,
    matchIndex: 0,
    hintIndex,
    hintTerm,
  });
}

/** The answer says only "I know of no later term", which is true at once and needs no write. */
export function receiveHeartbeat(state: RaftState, from: MemberName, message: Heartbeat): void {
  followLeader(state, from);
  assert(
    message.commit <= state.log.lastIndex,
    `"${from}" was told that entry ${message.commit} is durable here, but the log ends at ` +
      `${state.log.lastIndex}: this disk lost entries it had acknowledged. Remove this member and add it anew.`,
  );
  state.log.commitTo(message.commit);
  state.outbox.sendNow(from, { type: 'HeartbeatResponse', term: state.term, round: message.round });
}

/** The leader hands over: campaign at once, without the pre-election that its own liveness would fail (§3.10). */
export function receiveTimeoutNow(state: RaftState, from: MemberName, _message: TimeoutNow): void {
  if (state.role === 'follower' && state.electable && (state.leader === null || state.leader === from)) {
    startElection(state, true);
  }
}

/**
 * Answers a request of an earlier term with the present one, so that its sender steps down or catches up
 * (paper §5.1). Late answers are dropped.
 */
export function answerEarlierTerm(state: RaftState, from: MemberName, message: RaftMessage): void {
  const { outbox, term } = state;
  switch (message.type) {
    case 'RequestVote':
      outbox.sendNow(from, { type: 'RequestVoteResponse', term, granted: false });
      break;
    case 'AppendEntries':
      outbox.sendNow(from, {
        type: 'AppendEntriesResponse',
        term,
        success: false,
        prevLogIndex: message.prevLogIndex,
        matchIndex: 0,
        hintIndex: 0,
        hintTerm: 0,
      });
      break;
    case 'Heartbeat':
      // Rounds are numbered anew in each term. Should the sender lead again, in the term of this answer, the
      // old number would confirm a round that it has not sent yet, and with it reads that came since.
      outbox.sendNow(from, { type: 'HeartbeatResponse', term, round: 0 });
      break;
    case 'ReadIndex':
      outbox.sendNow(from, { type: 'ReadIndexResponse', term, request: message.request, index: -1 });
      break;
    default:
      break;
  }
}
