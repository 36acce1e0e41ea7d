import { committedIndex } from './quorum.ts';
import type { AskedRead, Leading, RaftState } from './raft-state.ts';
import type { MemberName, ReadIndex, ReadIndexResponse } from './types.ts';

/*
 * Linearizable reads without a log entry (thesis §6.4). A read may be served from applied state at the
 * commit index that the leader had when the read arrived, once a quorum has confirmed, *after* it arrived,
 * that there is no later leader.
 *
 * Confirmation rides on heartbeats, numbered per leader and term by a round that only grows. A read taken up
 * while round r was the last one sent waits for round r + 1. An answer to round r, however late, therefore
 * never confirms it; and no request id appears in a heartbeat that a retry could share.
 */

/** A read of this member. Its outcome always comes as `readReady`; index -1 if it could not be confirmed. */
export function requestRead(state: RaftState, request: number): void {
  const { outbox, forwardedReads, leader, options } = state;
  if (state.leading !== null) {
    acceptRead(state, state.leading, state.member, request);
  } else if (leader === null || forwardedReads.size >= options.maxPendingReads) {
    outbox.readReady(request, -1);
  } else {
    // Request and answer can be lost; after an election timeout the asker had better ask again.
    forwardedReads.set(request, options.electionTicks);
    outbox.sendNow(leader, { type: 'ReadIndex', term: state.term, request });
  }
}

/** A read of another member. */
export function receiveReadIndex(state: RaftState, from: MemberName, message: ReadIndex): void {
  if (state.leading === null) {
    answer(state, from, message.request, -1);
  } else {
    acceptRead(state, state.leading, from, message.request);
  }
}

/** The leader's answer to a forwarded read; late ones, already given up, are dropped. */
export function receiveReadIndexResponse(state: RaftState, message: ReadIndexResponse): void {
  if (state.forwardedReads.delete(message.request)) {
    state.outbox.readReady(message.request, message.index);
  }
}

export function tickForwardedReads(state: RaftState): void {
  for (const [request, ticksLeft] of state.forwardedReads) {
    if (ticksLeft > 1) {
      state.forwardedReads.set(request, ticksLeft - 1);
    } else {
      state.forwardedReads.delete(request);
      state.outbox.readReady(request, -1);
    }
  }
}

/** Reads held back until the no-op of this term is committed are taken up now. */
export function takeUpEarlyReads(state: RaftState, leading: Leading): void {
  if (leading.earlyReads.length > 0 && state.log.commitIndex >= leading.firstIndex) {
    const reads = leading.earlyReads;
    leading.earlyReads = [];
    for (const read of reads) {
      takeUpRead(state, leading, read);
    }
  }
}

/** True if a read waits for a round that has not been sent. */
export function needsReadRound(leading: Leading): boolean {
  return (leading.pendingReads.at(-1)?.round ?? 0) > leading.round;
}

/** Answers the reads whose round a quorum has answered. */
export function confirmReads(state: RaftState, leading: Leading): void {
  const confirmed = committedIndex(state.configuration, (member) =>
    member === state.member ? leading.round : leading.peers.get(member)?.ackedRound,
  );
  let count = 0;
  for (const read of leading.pendingReads) {
    if (read.round > confirmed) {
      break;
    }
    count += 1;
    answer(state, read.from, read.request, read.index);
  }
  leading.pendingReads.splice(0, count);
}

/**
 * A read that an election timeout could not confirm is refused: members that acknowledge appends but lose
 * heartbeats, or disks that stall, would otherwise hold it for ever without check-quorum noticing.
 */
export function refuseOverdueReads(state: RaftState, leading: Leading): void {
  const isOverdue = (read: AskedRead) => read.sinceTick + state.options.electionTicks <= leading.ticks;
  for (const reads of [leading.earlyReads, leading.pendingReads]) {
    const kept = reads.findIndex((read) => !isOverdue(read));
    for (const read of reads.splice(0, kept === -1 ? reads.length : kept)) {
      answer(state, read.from, read.request, -1);
    }
  }
}

/** The leader steps down: it can confirm nothing any more. */
export function refuseLeaderReads(state: RaftState, leading: Leading): void {
  for (const { from, request } of [...leading.earlyReads, ...leading.pendingReads]) {
    answer(state, from, request, -1);
  }
}

export function failForwardedReads(state: RaftState): void {
  for (const request of state.forwardedReads.keys()) {
    state.outbox.readReady(request, -1);
  }
  state.forwardedReads.clear();
}

function acceptRead(state: RaftState, leading: Leading, from: MemberName, request: number): void {
  const read: AskedRead = { from, request, sinceTick: leading.ticks };
  if (leading.earlyReads.length + leading.pendingReads.length >= state.options.maxPendingReads) {
    answer(state, from, request, -1);
  } else if (state.log.commitIndex < leading.firstIndex) {
    // Until then the commit index may lag behind what the previous leader has already acknowledged.
    leading.earlyReads.push(read);
  } else {
    takeUpRead(state, leading, read);
  }
}

function takeUpRead(state: RaftState, leading: Leading, read: AskedRead): void {
  leading.pendingReads.push({ ...read, index: state.log.commitIndex, round: leading.round + 1 });
}

function answer(state: RaftState, to: MemberName, request: number, index: number): void {
  if (to === state.member) {
    state.outbox.readReady(request, index);
  } else {
    state.outbox.sendNow(to, { type: 'ReadIndexResponse', term: state.term, request, index });
  }
}
