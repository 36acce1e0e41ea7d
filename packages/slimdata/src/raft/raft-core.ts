import assert from 'node:assert/strict';
import {
  electionTimedOut,
  ownVoteDurable,
  receivePreVote,
  receivePreVoteResponse,
  receiveRequestVote,
  receiveRequestVoteResponse,
} from './election.ts';
import { answerEarlierTerm, receiveAppendEntries, receiveHeartbeat, receiveTimeoutNow } from './follower.ts';
import { flushLeader, peerUnreachable, receiveHeartbeatResponse, tickLeader } from './leader.ts';
import { Persistence } from './persistence.ts';
import { completeOptions, type RaftOptions } from './raft-options.ts';
import { RaftState } from './raft-state.ts';
import { receiveReadIndex, receiveReadIndexResponse, requestRead, tickForwardedReads } from './read-index.ts';
import { advanceCommit, type ProposeResult, propose, receiveAppendEntriesResponse } from './replication.ts';
import { becomeFollower, hearsLeader } from './role.ts';
import { startTransfer, type TransferResult } from './transfer.ts';
import {
  type Effects,
  type Entry,
  EntryKind,
  type Leadership,
  type MemberName,
  type RaftMessage,
  type Role,
} from './types.ts';

/**
 * One member's part in Raft: takes inputs, gives back effects. Synchronous and deterministic: the same options
 * and inputs give the same effects. No input is lost for want of calling `takeEffects`, but nothing leaves
 * before; feeding several inputs first batches appends, writes and read confirmations.
 *
 * What the owner must do with `Effects`, in any order unless said otherwise:
 * - send `sendNow`, at most once each; losing, delaying, reordering or doubling messages is safe;
 * - write each `persist` in the order of tokens, each all or nothing; when it is durable send its
 *   `sendAfterDurable` and call `persisted(token)`;
 * - apply `committed` in order; answer reads once `index` is applied.
 * A broken invariant throws an AssertionError: the state can no longer be trusted and the process must end.
 */
export class RaftCore {
  readonly #state: RaftState;
  readonly #persistence: Persistence;
  #leadershipTaken: Leadership;

  constructor(options: RaftOptions) {
    this.#state = new RaftState(completeOptions(options));
    this.#persistence = new Persistence(options.hardState);
    this.#leadershipTaken = this.#leadership();
  }

  get term(): number {
    return this.#state.term;
  }

  get role(): Role {
    return this.#state.role;
  }

  /** Leader of `term` as far as this member knows. */
  get leader(): MemberName | null {
    return this.#state.leader;
  }

  get votedFor(): MemberName | null {
    return this.#state.votedFor;
  }

  /** Entries up to here are committed; never decreases. May be ahead of `durableIndex`. */
  get commitIndex(): number {
    return this.#state.log.commitIndex;
  }

  get lastIndex(): number {
    return this.#state.log.lastIndex;
  }

  /** Entries up to here are on this member's disk and no write under way removes them. */
  get durableIndex(): number {
    return this.#state.log.durableIndex;
  }

  /** Term of the entry at `index`; 0 for index 0, undefined past the end of the log. */
  termAt(index: number): number | undefined {
    return this.#state.log.termAt(index);
  }

  entryAt(index: number): Entry | undefined {
    return this.#state.log.entryAt(index);
  }

  /** One unit of time passed. */
  tick(): void {
    const state = this.#state;
    if (state.leading !== null) {
      tickLeader(state, state.leading);
      return;
    }
    tickForwardedReads(state);
    state.electionElapsed += 1;
    if (state.electionElapsed >= state.electionTimeout) {
      electionTimedOut(state);
    }
  }

  /** A message came in from another member. */
  receive(from: MemberName, message: RaftMessage): void {
    const state = this.#state;
    assert(from !== state.member, `"${from}" received a ${message.type} from itself`);
    // The pre-election speaks of a term that nobody has entered yet.
    if (message.type === 'PreVote') {
      receivePreVote(state, from, message);
      return;
    }
    if (message.type === 'PreVoteResponse') {
      receivePreVoteResponse(state, from, message);
      return;
    }
    if (message.term < state.term) {
      answerEarlierTerm(state, from, message);
      return;
    }
    if (message.term > state.term) {
      if (message.type === 'RequestVote' && !message.transfer && hearsLeader(state)) {
        // Not even the term is taken over: a member that was cut off must not depose a live leader.
        return;
      }
      becomeFollower(state, message.term, null);
    }
    this.#dispatch(from, message);
  }

  /**
   * Proposes all of the payloads, or none, as consecutive entries. Whether they are committed shows in
   * `committed`, or never, if leadership is lost.
   */
  propose(
    payloads: readonly Uint8Array[],
    kind: Exclude<EntryKind, typeof EntryKind.Configuration> = EntryKind.Command,
  ): ProposeResult {
    return propose(this.#state, payloads, kind);
  }

  /**
   * Asks from which applied index on a read that begins now is linearizable. Answered once, as `readReady`,
   * within two election timeouts.
   * @param request unique among this member's requests, also across its restarts: start from a random number.
   */
  readIndex(request: number): void {
    requestRead(this.#state, request);
  }

  /** The write `token` is durable. Tokens come back in the order in which they were handed out. */
  persisted(token: number): void {
    const state = this.#state;
    this.#persistence.persisted(token, state.log);
    const { term, votedFor } = this.#persistence.durableHardState;
    if (term === state.term && votedFor === state.member) {
      ownVoteDurable(state);
    }
    if (state.leading !== null) {
      advanceCommit(state, state.leading);
    }
  }

  /** Something sent to `peer` was dropped. Must be called for every drop that the transport knows of. */
  unreachable(peer: MemberName): void {
    if (this.#state.leading !== null) {
      peerUnreachable(this.#state.leading, peer);
    }
  }

  /** Hands leadership to another voter. */
  transferLeadership(to: MemberName): TransferResult {
    return startTransfer(this.#state, to);
  }

  /** Everything that the inputs since the last call ask of the outside. */
  takeEffects(): Effects {
    const state = this.#state;
    if (state.leading !== null) {
      flushLeader(state, state.leading);
    }
    const { term, votedFor, log, outbox } = state;
    const persist = this.#persistence.take({ term, votedFor }, log, outbox);
    return {
      sendNow: outbox.takeNow(),
      persist,
      committed: log.takeCommitted(),
      readReady: outbox.takeReadReady(),
      leadership: this.#takeLeadership(),
    };
  }

  /** Messages of the present term. */
  #dispatch(from: MemberName, message: Exclude<RaftMessage, { type: 'PreVote' | 'PreVoteResponse' }>): void {
    const state = this.#state;
    switch (message.type) {
      case 'RequestVote':
        receiveRequestVote(state, from, message);
        break;
      case 'RequestVoteResponse':
        receiveRequestVoteResponse(state, from, message);
        break;
      case 'AppendEntries':
        receiveAppendEntries(state, from, message);
        break;
      case 'Heartbeat':
        receiveHeartbeat(state, from, message);
        break;
      case 'TimeoutNow':
        receiveTimeoutNow(state, from, message);
        break;
      case 'ReadIndex':
        receiveReadIndex(state, from, message);
        break;
      case 'ReadIndexResponse':
        receiveReadIndexResponse(state, message);
        break;
      case 'AppendEntriesResponse':
        if (state.leading !== null) {
          receiveAppendEntriesResponse(state, state.leading, from, message);
        }
        break;
      case 'HeartbeatResponse':
        if (state.leading !== null) {
          receiveHeartbeatResponse(state, state.leading, from, message);
        }
        break;
    }
  }

  #leadership(): Leadership {
    const { role, term, leader } = this.#state;
    return { role, term, leader };
  }

  #takeLeadership(): Leadership | null {
    const now = this.#leadership();
    const { role, term, leader } = this.#leadershipTaken;
    if (now.role === role && now.term === term && now.leader === leader) {
      return null;
    }
    this.#leadershipTaken = now;
    return now;
  }
}
