import { continueMembershipChange } from './membership.ts';
import { voteResult } from './quorum.ts';
import type { Leading, RaftState } from './raft-state.ts';
import { confirmReads, needsReadRound, refuseOverdueReads, takeUpEarlyReads } from './read-index.ts';
import { replicate } from './replication.ts';
import { becomeFollower } from './role.ts';
import { continueTransfer, tickTransfer } from './transfer.ts';
import type { HeartbeatResponse, MemberName } from './types.ts';

export function tickLeader(state: RaftState, leading: Leading): void {
  const { electionTicks, heartbeatTicks } = state.options;
  leading.ticksSinceHeartbeat += 1;
  leading.ticks += 1;
  if (leading.ticks % electionTicks === 0 && !quorumActive(state, leading)) {
    becomeFollower(state, state.term, null);
    return;
  }
  tickTransfer(leading);
  refuseOverdueReads(state, leading);
  if (leading.ticksSinceHeartbeat >= heartbeatTicks) {
    broadcastHeartbeat(state, leading);
  }
}

/** What a leader sends on its own account once a batch of inputs has been taken in. */
export function flushLeader(state: RaftState, leading: Leading): void {
  continueMembershipChange(state, leading);
  replicate(state, leading);
  continueTransfer(state, leading);
  if (leading.retiring && (leading.transfer === null || leading.transfer.handedOver)) {
    becomeFollower(state, state.term, null);
    return;
  }
  takeUpEarlyReads(state, leading);
  if (needsReadRound(leading)) {
    broadcastHeartbeat(state, leading);
  }
}

/** The peer lives and knows of no later term. */
export function receiveHeartbeatResponse(
  state: RaftState,
  leading: Leading,
  from: MemberName,
  message: HeartbeatResponse,
): void {
  const progress = leading.peers.get(from);
  if (progress === undefined) {
    return;
  }
  progress.recentlyActive = true;
  progress.ackedRound = Math.max(progress.ackedRound, message.round);
  progress.resume();
  if (progress.state === 'probe' || progress.match < state.log.lastIndex) {
    // It answers here but lags there: find out whether appends to it were lost.
    progress.appendDue = true;
  }
  confirmReads(state, leading);
}

/** The transport lost something that was meant for `peer`: what was sent optimistically may not have arrived. */
export function peerUnreachable(state: RaftState, leading: Leading, peer: MemberName): void {
  const progress = leading.peers.get(peer);
  // A probe waits for a sign of life anyway, and how a snapshot fares is told by who sends it.
  if (progress?.state === 'replicate') {
    progress.becomeProbe(state.log.base.index);
  }
}

function broadcastHeartbeat(state: RaftState, leading: Leading): void {
  leading.ticksSinceHeartbeat = 0;
  leading.round += 1;
  for (const [peer, progress] of leading.peers) {
    state.outbox.sendNow(peer, {
      type: 'Heartbeat',
      term: state.term,
      commit: Math.min(progress.match, state.log.commitIndex),
      round: leading.round,
    });
  }
  // A cluster of one has no answer to wait for, whether a read or a tick was the reason for this round.
  confirmReads(state, leading);
}

/**
 * Check-quorum (thesis §6.2): a leader that a quorum has not answered for an election timeout steps down,
 * so that its clients look elsewhere and it does not keep others from electing.
 */
function quorumActive(state: RaftState, leading: Leading): boolean {
  const active = new Map([[state.member, true]]);
  for (const [peer, progress] of leading.peers) {
    active.set(peer, progress.recentlyActive);
    progress.recentlyActive = false;
  }
  return voteResult(state.configuration, active) === 'won';
}
