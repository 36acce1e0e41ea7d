import assert from 'node:assert/strict';
import type { MemberChange } from './configuration.ts';
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
import { changeMembership, type MembershipChangeResult } from './membership.ts';
import { Persistence } from './persistence.ts';
import { completeOptions, type RaftOptions } from './raft-options.ts';
import { RaftState } from './raft-state.ts';
import { receiveReadIndex, receiveReadIndexResponse, requestRead, tickForwardedReads } from './read-index.ts';
import { advanceCommit, type ProposeResult, propose, receiveAppendEntriesResponse } from './replication.ts';
import { becomeFollower, hearsLeader } from './role.ts';
import { type RestoreResult, restore, snapshotFailed, snapshotSent, wantsSnapshot } from './snapshot.ts';
import { startTransfer, type TransferResult } from './transfer.ts';
import {
  type Configuration,
  type Effects,
  type Entry,
  EntryKind,
  type Leadership,
  type LogPosition,
  type MemberName,
  type PeerProgress,
  type RaftMessage,
  type ReceivedSnapshot,
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
 * - apply `committed` in order; answer reads once `index` is applied;
 * - stream a snapshot to each of `snapshotsNeeded` and report how that went.
 * A broken invariant throws an AssertionError: the state can no longer be trusted and the process must end.
 */
export class RaftCore {
  readonly #state: RaftState;
  readonly #persistence: Persistence;
  #leadershipTaken: Leadership;
  #configurationTaken: Configuration;

  constructor(options: RaftOptions) {
    this.#state = new RaftState(completeOptions(options));
    this.#persistence = new Persistence(options.hardState);
    this.#leadershipTaken = this.#leadership();
    this.#configurationTaken = this.#state.configuration;
  }

  get term(): number {
    return this.#state.term;
  }

  get role(): Role {
    return this.#state.reportedRole;
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

  /** Position before the first entry that is still in the log. */
  get base(): LogPosition {
    return this.#state.log.base;
  }

  /** In force: the last one in the log, committed or not. */
  get configuration(): Configuration {
    return this.#state.configuration;
  }

  /** Index of the entry that put `configuration` into force: committed if not above `commitIndex`. */
  get configurationIndex(): number {
    return this.#state.log.configurations.latestIndex;
  }

  /**
   * The configuration in force at the entry `index`, as it belongs into a checkpoint of that index. Known from `base`
   * or the checkpoint that this core started with, whichever is later.
   */
  configurationAt(index: number): Configuration {
    return this.#state.log.configurations.at(index);
  }

  /** How far each other member is, as this leader knows; empty on others. */
  get peers(): readonly PeerProgress[] {
    return [...(this.#state.leading?.peers ?? [])].map(([member, { match, state, recentlyActive }]) => ({
      member,
      match,
      state,
      recentlyActive,
    }));
  }

  /** Term of the entry at `index`; 0 for index 0, undefined past the end of the log and before `base`. */
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
      peerUnreachable(this.#state, this.#state.leading, peer);
    }
  }

  /** Hands leadership to another voter. */
  transferLeadership(to: MemberName): TransferResult {
    return startTransfer(this.#state, to);
  }

  /** Begins a change of membership, by joint consensus; all of `changes` take effect together. */
  changeMembership(changes: readonly MemberChange[]): MembershipChangeResult {
    return changeMembership(this.#state, changes);
  }

  /**
   * A durable checkpoint covers the entries up to `index`, and they are removed from the log store, or will be. At
   * most what was handed out as `committed`.
   */
  compact(index: number): void {
    this.#state.log.compact(index);
  }

  /** The stream that `snapshotsNeeded` asked for ended well: `peer` has a snapshot of `index`, or did not want it. */
  snapshotSent(peer: MemberName, index: number): void {
    if (this.#state.leading !== null) {
      snapshotSent(this.#state, this.#state.leading, peer, index);
    }
  }

  /** The stream that `snapshotsNeeded` asked for failed. Asked for again when the peer still needs it and lives. */
  snapshotFailed(peer: MemberName): void {
    if (this.#state.leading !== null) {
      snapshotFailed(this.#state.leading, peer);
    }
  }

  /** True if a snapshot of this position would bring anything here: to be asked before one is taken in. */
  wantsSnapshot(position: LogPosition): boolean {
    return wantsSnapshot(this.#state, position);
  }

  /**
   * A snapshot from a leader is complete and durable here, in place of the former checkpoint. Its acknowledgement
   * leaves with the next effects, the reset of the log with their `persist`.
   */
  restore(snapshot: ReceivedSnapshot): RestoreResult {
    return restore(this.#state, snapshot);
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
      snapshotsNeeded: outbox.takeSnapshotsNeeded(),
      configurationChanged: this.#takeConfiguration(),
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
    const { reportedRole, term, leader } = this.#state;
    return { role: reportedRole, term, leader };
  }

  #takeConfiguration(): Configuration | null {
    const { configuration } = this.#state;
    if (configuration === this.#configurationTaken) {
      return null;
    }
    this.#configurationTaken = configuration;
    return configuration;
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
