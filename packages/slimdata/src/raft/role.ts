import assert from 'node:assert/strict';
import { membersOf } from './configuration.ts';
import { Progress } from './progress.ts';
import { entryBytes } from './raft-log.ts';
import type { RaftState } from './raft-state.ts';
import { failForwardedReads, refuseLeaderReads } from './read-index.ts';
import { EntryKind, type MemberName } from './types.ts';

/*
 *               timeout                 pre-votes of a quorum            votes of a quorum
 *   follower -----------> precandidate ----------------------> candidate ----------------> leader
 *      ^                       |                                   |                         |
 *      +-----------------------+-----------------------------------+-------------------------+
 *            later term, leader heard, election lost; leader: no quorum answers any more
 *
 * Paper figure 4, with the pre-election of thesis §9.6.
 */

/** Enters `term` if it is a later one, and follows `leader` in it (null: not known yet). */
export function becomeFollower(state: RaftState, term: number, leader: MemberName | null): void {
  if (state.leading !== null) {
    refuseLeaderReads(state, state.leading);
    state.leading = null;
  }
  // A plain follower that merely learns of a later term goes on waiting: a member that asks for votes but
  // cannot get them must not keep everyone else from campaigning (paper §5.2: reset on a vote or a leader).
  const restartTimer = state.role !== 'follower' || leader !== null;
  state.role = 'follower';
  enter(state, term, leader);
  if (restartTimer) {
    state.drawElectionTimeout();
  }
}

/** Asks first whether an election could be won; neither term nor vote change (thesis §9.6). */
export function becomePreCandidate(state: RaftState): void {
  assert(state.role !== 'leader' && state.electable, `a ${state.role} cannot campaign`);
  state.role = 'precandidate';
  enter(state, state.term, null);
  state.drawElectionTimeout();
  // Asking costs nothing and promises nothing, so the own answer counts without a write.
  state.votes.set(state.member, true);
}

/** Enters the next term and votes for itself. That vote counts only once it is durable. */
export function becomeCandidate(state: RaftState): void {
  assert(state.role !== 'leader' && state.electable, `a ${state.role} cannot campaign`);
  state.role = 'candidate';
  enter(state, state.term + 1, null);
  state.voteFor(state.member);
  state.drawElectionTimeout();
}

/**
 * The election is won. A no-op of the new term goes into the log at once: only with it can what earlier
 * terms left be committed (paper §5.4.2, §8).
 */
export function becomeLeader(state: RaftState): void {
  assert.equal(state.role, 'candidate', `a ${state.role} cannot become leader`);
  const { log, options, configuration, member } = state;
  const firstIndex = log.lastIndex + 1;
  const others = membersOf(configuration).filter((name) => name !== member);
  let uncommittedBytes = 0;
  for (let index = log.commitIndex + 1; index < firstIndex; index += 1) {
    const entry = log.entryAt(index);
    uncommittedBytes += entry === undefined ? 0 : entryBytes(entry);
  }
  state.role = 'leader';
  enter(state, state.term, member);
  state.leading = {
    peers: new Map(others.map((name) => [name, new Progress(firstIndex, options)])),
    firstIndex,
    ticks: 0,
    ticksSinceHeartbeat: 0,
    round: 0,
    pendingReads: [],
    earlyReads: [],
    transfer: null,
    retiring: false,
    uncommittedBytes,
  };
  const noop = { index: firstIndex, term: state.term, kind: EntryKind.Noop, payload: new Uint8Array(0) };
  state.leading.uncommittedBytes += entryBytes(noop);
  log.append([noop]);
}

/** Notes the leader of the present term, which once known does not change (paper §5.2, election safety). */
export function followLeader(state: RaftState, leader: MemberName): void {
  assert(state.role !== 'leader', `"${leader}" leads term ${state.term}, and so does "${state.member}"`);
  assert(
    state.leader === null || state.leader === leader,
    `"${leader}" leads term ${state.term}, and so does "${state.leader}"`,
  );
  if (state.role !== 'follower' || state.leader === null) {
    becomeFollower(state, state.term, leader);
  }
  state.electionElapsed = 0;
}

/** True while a leader is known to be alive: campaigns of others would only disturb it (thesis §4.2.3, §9.6). */
export function hearsLeader(state: RaftState): boolean {
  if (state.role === 'leader') {
    return true;
  }
  return state.leader !== null && state.electionElapsed < state.options.electionTicks;
}

function enter(state: RaftState, term: number, leader: MemberName | null): void {
  assert(term >= state.term, `term ${term} is earlier than ${state.term}`);
  // Reads that were asked of the previous leader would wait for nothing.
  if (term !== state.term || leader !== state.leader) {
    failForwardedReads(state);
  }
  if (term > state.term) {
    state.enterTerm(term);
  }
  state.leader = leader;
  state.votes.clear();
}
