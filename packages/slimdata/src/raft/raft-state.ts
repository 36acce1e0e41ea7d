import assert from 'node:assert/strict';
import { isVoter } from './configuration.ts';
import { Outbox } from './outbox.ts';
import type { Progress } from './progress.ts';
import { RaftLog } from './raft-log.ts';
import type { RaftOptions } from './raft-options.ts';
import type { Configuration, MemberName, Role } from './types.ts';

/** A read asked of the leader, by itself or by another member. */
export interface AskedRead {
  readonly from: MemberName;
  readonly request: number;
  /** `Leading.ticks` when it came. */
  readonly sinceTick: number;
}

/** A read that waits for the leader to be confirmed. */
interface PendingRead extends AskedRead {
  /** Commit index when the read was taken up. */
  readonly index: number;
  /** The read is confirmed once a quorum has answered this round or a later one. */
  readonly round: number;
}

/** A leadership transfer under way (thesis §3.10). */
interface Transfer {
  readonly to: MemberName;
  /** Given up when this reaches 0. */
  ticksLeft: number;
  /** TimeoutNow has been sent. */
  handedOver: boolean;
}

/** What only a leader has; made anew for each term that is won. */
export interface Leading {
  /** Every other member of the configuration. */
  readonly peers: Map<MemberName, Progress>;
  /** Index of the no-op that opened the term: nothing is read before it is committed (thesis §6.4). */
  readonly firstIndex: number;
  /** Ticks since the term was won. */
  ticks: number;
  ticksSinceHeartbeat: number;
  /** Last heartbeat round that was sent; the first one is 1. */
  round: number;
  /** Reads taken up, in the order in which they came and so also of their rounds. */
  pendingReads: PendingRead[];
  /** Reads that came before the no-op was committed. */
  earlyReads: AskedRead[];
  transfer: Transfer | null;
  /** No voter any more, and that is committed: steps down once `transfer` is carried out or given up. */
  retiring: boolean;
  /** Bytes of the entries above the commit index. */
  uncommittedBytes: number;
}

/** Everything that a member's rules read and write. Only the modules of this folder hold one. */
export class RaftState {
  readonly options: Required<RaftOptions>;
  readonly member: MemberName;
  readonly log: RaftLog;
  readonly outbox = new Outbox();
  /** Internally a learner is a follower that is not electable; see `reportedRole`. */
  role: Exclude<Role, 'learner'> = 'follower';
  /** Leader of `term`, if known. */
  leader: MemberName | null = null;
  leading: Leading | null = null;
  /** Answers of the election or pre-election under way, this member's own vote included. */
  readonly votes = new Map<MemberName, boolean>();
  /** Ticks since a leader was heard, a vote was given or a campaign was begun. */
  electionElapsed = 0;
  /** Campaign when `electionElapsed` reaches this. */
  electionTimeout = 0;
  /** Reads asked of the leader: request -> ticks until they are given up. */
  readonly forwardedReads = new Map<number, number>();
  #term: number;
  #votedFor: MemberName | null;

  constructor(options: Required<RaftOptions>) {
    this.options = options;
    this.member = options.member;
    this.log = RaftLog.recovered(options.base, options.entries, options.checkpoint);
    // A snapshot may have been made durable just before a crash, and the term that came with it not.
    const { term, votedFor } = options.hardState;
    this.#term = Math.max(term, options.checkpoint.term);
    this.#votedFor = this.#term > term ? null : votedFor;
    this.drawElectionTimeout();
  }

  get term(): number {
    return this.#term;
  }

  get votedFor(): MemberName | null {
    return this.#votedFor;
  }

  /** In force: the last one in the log, committed or not (paper §6). */
  get configuration(): Configuration {
    return this.log.configurations.latest;
  }

  get reportedRole(): Role {
    const learns = this.role === 'follower' && this.configuration.learners.has(this.member);
    return learns ? 'learner' : this.role;
  }

  /**
   * Only voters campaign: of the configuration in force, and until that is known to be committed also of the one
   * before. A leader that has put its own removal into its log and into no other's may be the only one whose log
   * is long enough to win (thesis §4.2.2, figure 4.6). Its own vote does not count then.
   */
  get electable(): boolean {
    const { configurations, commitIndex } = this.log;
    return configurations.since(commitIndex).some((configuration) => isVoter(configuration, this.member));
  }

  /** Enters a later term, in which no vote has been given. The only place where a vote is forgotten. */
  enterTerm(term: number): void {
    assert(Number.isSafeInteger(term) && term > this.#term, `term ${term} does not follow ${this.#term}`);
    this.#term = term;
    this.#votedFor = null;
  }

  /** Gives the one vote of this term (paper §5.2). */
  voteFor(candidate: MemberName): void {
    assert(
      this.#votedFor === null || this.#votedFor === candidate,
      `second vote in term ${this.#term}: "${candidate}" after "${this.#votedFor}"`,
    );
    this.#votedFor = candidate;
  }

  /** Starts waiting anew, for a time in [T, 2T) that differs each time, so that votes rarely split (paper §5.2). */
  drawElectionTimeout(): void {
    const { electionTicks, random } = this.options;
    const drawn = random();
    assert(drawn >= 0 && drawn < 1, `random() returned ${drawn}`);
    this.electionElapsed = 0;
    this.electionTimeout = electionTicks + Math.floor(drawn * electionTicks);
  }
}
