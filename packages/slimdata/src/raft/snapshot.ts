import assert from 'node:assert/strict';
import type { Leading, RaftState } from './raft-state.ts';
import { becomeFollower, followLeader } from './role.ts';
import type { LogPosition, MemberName, ReceivedSnapshot } from './types.ts';

/*
 * Snapshots (paper §7). The core neither holds nor moves them: it says who needs one, is told how that went, and
 * on the other side is told what has arrived. The acknowledgement is an ordinary answer to an append, so it
 * does not matter to the leader by which way a peer got its entries.
 */

/**
 * `restored`: the log begins anew after the snapshot; applied state is the snapshot's, and `committed` goes on
 * after it.
 * `caught_up`: the log already holds all that the snapshot does. The entries up to it are now known to be
 * committed and come as `committed`; applied state stays as it is.
 * `ignored`: it brings nothing that was not already committed here. Applied state stays as it is.
 */
export type RestoreResult = 'restored' | 'caught_up' | 'ignored';

/** True if a snapshot of this position would bring anything: asked before a stream is taken in. */
export function wantsSnapshot(state: RaftState, { index, term }: LogPosition): boolean {
  return state.leading === null && index > state.log.commitIndex && state.log.termAt(index) !== term;
}

/**
 * Follower's side of InstallSnapshot (paper figure 13). Snapshots may come late, twice and out of order: they
 * hold committed state only, so one that is not newer than what is committed here has nothing to say.
 */
export function restore(state: RaftState, snapshot: ReceivedSnapshot): RestoreResult {
  const { from, leaderTerm, index, term } = snapshot;
  assert(term <= leaderTerm, `entry ${index} of term ${term} in a snapshot of term ${leaderTerm}`);
  if (leaderTerm > state.term) {
    // Not less than the sender's term: in an earlier one there could be another leader, deposed but not aware
    // of it, whose log lacks what the snapshot holds and whose appends would then follow a foreign prefix.
    becomeFollower(state, leaderTerm, from);
  } else if (leaderTerm === state.term) {
    followLeader(state, from);
  } else if (state.leading !== null) {
    // It was elected since, so all that is committed is in its log (leader completeness, paper §5.4.3).
    return 'ignored';
  } else if (state.role !== 'follower') {
    // The votes asked for name a log that is about to change.
    becomeFollower(state, state.term, null);
  }
  const result = bringIn(state, snapshot);
  if (state.leader !== null) {
    const matchIndex = result === 'ignored' ? state.log.commitIndex : index;
    state.outbox.sendAfterDurable(state.leader, {
      type: 'AppendEntriesResponse',
      term: state.term,
      success: true,
      prevLogIndex: matchIndex,
      matchIndex,
      hintIndex: 0,
      hintTerm: 0,
    });
  }
  return result;
}

function bringIn({ log }: RaftState, { index, term, configuration }: ReceivedSnapshot): RestoreResult {
  if (index <= log.commitIndex) {
    return 'ignored';
  }
  if (log.termAt(index) === term) {
    // What follows in the log may be acknowledged already: it must stay (paper figure 13, receiver step 6).
    log.commitTo(index);
    return 'caught_up';
  }
  log.reset({ index, term }, configuration);
  return 'restored';
}

/** The peer has taken in a snapshot of `index`, or did not want it. Late reports of an earlier attempt are harmless. */
export function snapshotSent(state: RaftState, leading: Leading, peer: MemberName, index: number): void {
  assert(
    index <= state.log.commitIndex,
    `a snapshot of ${index}, which is not committed, was sent to "${peer}"`,
  );
  leading.peers.get(peer)?.snapshotEnded(index + 1);
}

/** The peer did not get the snapshot. It is asked anew where the logs agree once it shows signs of life. */
export function snapshotFailed(leading: Leading, peer: MemberName): void {
  leading.peers.get(peer)?.snapshotEnded(0);
}
