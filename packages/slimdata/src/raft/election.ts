import { voteResult } from './quorum.ts';
import type { RaftState } from './raft-state.ts';
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate, hearsLeader } from './role.ts';
import type { MemberName, PreVote, PreVoteResponse, RequestVote, RequestVoteResponse } from './types.ts';

/** The election timeout passed without a leader (paper §5.2). */
export function electionTimedOut(state: RaftState): void {
  if (!state.electable) {
    // It cannot campaign, but its vote may be needed: others may count it as a voter already (thesis §4.2.2).
    // So it too must stop being loyal to a leader that it does not hear.
    becomeFollower(state, state.term, null);
    state.drawElectionTimeout();
    return;
  }
  becomePreCandidate(state);
  const { lastIndex, lastTerm } = state.log;
  for (const voter of otherVoters(state)) {
    state.outbox.sendNow(voter, {
      type: 'PreVote',
      term: state.term + 1,
      lastLogIndex: lastIndex,
      lastLogTerm: lastTerm,
    });
  }
  decide(state);
}

/**
 * Campaigns in the next term.
 *
 * The requests leave only when term, own vote and the log they claim are durable. Sent earlier, an answer
 * could reach this member after a crash in which it forgot having asked, and be counted for a second
 * campaign in the same term with a shorter log.
 * @param transfer the leader asked for it, so that voters need not wait for its silence (thesis §3.10).
 */
export function startElection(state: RaftState, transfer: boolean): void {
  becomeCandidate(state);
  const { lastIndex, lastTerm } = state.log;
  for (const voter of otherVoters(state)) {
    state.outbox.sendAfterDurable(voter, {
      type: 'RequestVote',
      term: state.term,
      lastLogIndex: lastIndex,
      lastLogTerm: lastTerm,
      transfer,
    });
  }
}

/** The vote for itself became durable. Without it no election is won, whatever the others answered. */
export function ownVoteDurable(state: RaftState): void {
  if (state.role === 'candidate' && !state.votes.has(state.member)) {
    state.votes.set(state.member, true);
    decide(state);
  }
}

/** Grants or refuses without changing anything here, so the answer need not wait for the disk (thesis §9.6). */
export function receivePreVote(state: RaftState, from: MemberName, message: PreVote): void {
  const { term, lastLogIndex, lastLogTerm } = message;
  if (term > state.term && hearsLeader(state)) {
    return;
  }
  const votable = term > state.term || (term === state.term && mayVoteFor(state, from));
  const granted = votable && state.log.isUpToDate(lastLogIndex, lastLogTerm);
  state.outbox.sendNow(from, { type: 'PreVoteResponse', term: granted ? term : state.term, granted });
}

/** A grant carries the term asked about, a refusal the responder's own: that one may be news. */
export function receivePreVoteResponse(state: RaftState, from: MemberName, message: PreVoteResponse): void {
  if (!message.granted && message.term > state.term) {
    becomeFollower(state, message.term, null);
    return;
  }
  const current = !message.granted || message.term === state.term + 1;
  if (state.role === 'precandidate' && current) {
    recordVote(state, from, message.granted);
  }
}

/** Paper figure 2, RequestVote, for the present term; later terms have been entered before. */
export function receiveRequestVote(state: RaftState, from: MemberName, message: RequestVote): void {
  const { lastLogIndex, lastLogTerm } = message;
  if (!mayVoteFor(state, from) || !state.log.isUpToDate(lastLogIndex, lastLogTerm)) {
    state.outbox.sendNow(from, { type: 'RequestVoteResponse', term: state.term, granted: false });
    return;
  }
  if (state.role === 'precandidate') {
    // Someone else is further: an own campaign would only compete with it.
    becomeFollower(state, state.term, null);
  }
  state.voteFor(from);
  state.drawElectionTimeout();
  state.outbox.sendAfterDurable(from, { type: 'RequestVoteResponse', term: state.term, granted: true });
}

export function receiveRequestVoteResponse(
  state: RaftState,
  from: MemberName,
  message: RequestVoteResponse,
): void {
  if (state.role === 'candidate') {
    recordVote(state, from, message.granted);
  }
}

/** A vote already given may be repeated, its answer may have been lost; otherwise one vote per term. */
function mayVoteFor(state: RaftState, candidate: MemberName): boolean {
  return state.votedFor === candidate || (state.votedFor === null && state.leader === null);
}

/**
 * A grant stays whatever comes after it. A refusal does not: it may answer a request of an earlier term, to
 * which the voter replied from the present one, and its answer to the present request is yet to come.
 */
function recordVote(state: RaftState, from: MemberName, granted: boolean): void {
  if (state.votes.get(from) !== true) {
    state.votes.set(from, granted);
    decide(state);
  }
}

function decide(state: RaftState): void {
  const result = voteResult(state.configuration, state.votes);
  if (result === 'lost') {
    becomeFollower(state, state.term, null);
  } else if (result === 'won' && state.role === 'precandidate') {
    startElection(state, false);
  } else if (result === 'won' && state.votes.get(state.member) === true) {
    becomeLeader(state);
  }
}

function otherVoters(state: RaftState): MemberName[] {
  const { voters, outgoing } = state.configuration;
  return [...new Set([...voters, ...outgoing])].filter((voter) => voter !== state.member);
}
