/**
 * The vocabulary of the core: what goes in (messages, proposals) and what comes out (effects).
 * Types only. Names are those of the Raft paper (Ongaro & Ousterhout, 2014) and thesis (Ongaro, 2014).
 */

/** Name of a member, stable across restarts, e.g. `slimfaas-0`. */
export type MemberName = string;

export const EntryKind = { Noop: 0, Command: 1, Configuration: 2 } as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

/** One entry of the replicated log. Immutable; `payload` may be a view into a received frame. */
export interface Entry {
  /** Position in the log, from 1, without gaps. */
  readonly index: number;
  /** Term of the leader that proposed it; never decreases along the log. */
  readonly term: number;
  readonly kind: EntryKind;
  readonly payload: Uint8Array;
}

/** What a member must remember of its promises across a crash; always persisted as one record. */
export interface HardState {
  readonly term: number;
  /** Vote given in `term`; changes at most once per term. */
  readonly votedFor: MemberName | null;
}

/** A position in the log together with the term found there: by log matching it names the whole prefix. */
export interface LogPosition {
  readonly index: number;
  readonly term: number;
}

/**
 * The voters of a configuration. `outgoing` is empty outside joint consensus; while it is not, every
 * decision needs a majority of `voters` and a majority of `outgoing` (paper §6).
 */
export interface JointVoters {
  readonly voters: ReadonlySet<MemberName>;
  readonly outgoing: ReadonlySet<MemberName>;
}

/**
 * Who takes part (paper §6, thesis chapter 4). Invariants, checked after every change:
 * a learner is never a voter of either half; `learnersNext` are voters of `outgoing` that become learners
 * when the joint configuration is left; outside joint consensus `outgoing` and `learnersNext` are empty.
 */
export interface Configuration extends JointVoters {
  readonly learners: ReadonlySet<MemberName>;
  readonly learnersNext: ReadonlySet<MemberName>;
  /** The leader leaves the joint configuration by itself as soon as it is committed. */
  readonly autoLeave: boolean;
}

/**
 * What the core must know of applied state that is kept elsewhere, as a checkpoint on the own disk or a snapshot
 * from a peer (paper §7): the last entry that is in it, and the configuration in force at that entry.
 */
export interface SnapshotPosition extends LogPosition {
  readonly configuration: Configuration;
}

/** A snapshot that a peer sent as leader, complete, checked, and durable on the disk of this member. */
export interface ReceivedSnapshot extends SnapshotPosition {
  readonly from: MemberName;
  /** Term in which `from` was asked to send it: `SnapshotNeeded.leaderTerm`. */
  readonly leaderTerm: number;
}

/** What a leader knows of another member. */
export interface PeerProgress {
  readonly member: MemberName;
  /** Highest index known to be durable there and equal to the leader's log. */
  readonly match: number;
  readonly state: 'probe' | 'replicate' | 'snapshot';
  /** It answered something since check-quorum last looked. */
  readonly recentlyActive: boolean;
}

/** A peer lacks entries that this leader has compacted away. */
export interface SnapshotNeeded {
  readonly to: MemberName;
  /** Travels with the snapshot and comes back on the other side as `ReceivedSnapshot.leaderTerm`. */
  readonly leaderTerm: number;
  /** A snapshot of this index or any later one will do. */
  readonly index: number;
}

/** Pre-vote (thesis §9.6): would you vote for me in `term`? Changes nothing on the receiver. */
export interface PreVote {
  readonly type: 'PreVote';
  /** The term the sender would campaign in: its own + 1. */
  readonly term: number;
  readonly lastLogIndex: number;
  readonly lastLogTerm: number;
}

export interface PreVoteResponse {
  readonly type: 'PreVoteResponse';
  /** If granted: the term asked about; if refused: the responder's own term. */
  readonly term: number;
  readonly granted: boolean;
}

/** Paper, figure 2. */
export interface RequestVote {
  readonly type: 'RequestVote';
  readonly term: number;
  readonly lastLogIndex: number;
  readonly lastLogTerm: number;
  /** True when the leader itself asked for this election (TimeoutNow): stickiness does not apply. */
  readonly transfer: boolean;
}

export interface RequestVoteResponse {
  readonly type: 'RequestVoteResponse';
  readonly term: number;
  readonly granted: boolean;
}

/** Paper, figure 2. */
export interface AppendEntries {
  readonly type: 'AppendEntries';
  readonly term: number;
  readonly prevLogIndex: number;
  readonly prevLogTerm: number;
  readonly entries: readonly Entry[];
  readonly leaderCommit: number;
}

export interface AppendEntriesResponse {
  readonly type: 'AppendEntriesResponse';
  readonly term: number;
  readonly success: boolean;
  /** `prevLogIndex` of the request that this answers, so that a late answer is recognised. */
  readonly prevLogIndex: number;
  /** On success: highest index known to equal the leader's log, durable. On failure: 0. */
  readonly matchIndex: number;
  /** On failure: largest index where the logs may still agree, and the follower's term there. On success: 0. */
  readonly hintIndex: number;
  readonly hintTerm: number;
}

/** Control-lane liveness and read confirmation; carries no entries, so bulk appends cannot delay it. */
export interface Heartbeat {
  readonly type: 'Heartbeat';
  readonly term: number;
  /** min(receiver's match, leader's commit): never beyond what the receiver is known to have. */
  readonly commit: number;
  /** Monotonic per leader and term; confirms every read asked for before this round was sent. */
  readonly round: number;
}

export interface HeartbeatResponse {
  readonly type: 'HeartbeatResponse';
  readonly term: number;
  /** Of the heartbeat, if it was of `term`; 0, which confirms nothing, if it was of an earlier one. */
  readonly round: number;
}

/** Leadership transfer (thesis §3.10): campaign at once. */
export interface TimeoutNow {
  readonly type: 'TimeoutNow';
  readonly term: number;
}

/** A follower asks the leader for a read index (thesis §6.4). `request` is chosen by the asker. */
export interface ReadIndex {
  readonly type: 'ReadIndex';
  readonly term: number;
  readonly request: number;
}

export interface ReadIndexResponse {
  readonly type: 'ReadIndexResponse';
  readonly term: number;
  readonly request: number;
  /** The asker may serve the read once it has applied this index; -1 = refused, ask again. */
  readonly index: number;
}

export type RaftMessage =
  | PreVote
  | PreVoteResponse
  | RequestVote
  | RequestVoteResponse
  | AppendEntries
  | AppendEntriesResponse
  | Heartbeat
  | HeartbeatResponse
  | TimeoutNow
  | ReadIndex
  | ReadIndexResponse;

export interface Envelope {
  readonly to: MemberName;
  readonly message: RaftMessage;
}

/** One strictly ordered write to the log store. */
export interface PersistEffect {
  /** Handed back through `persisted(token)` once all of this is durable. Increases by one each time. */
  readonly token: number;
  readonly hardState: HardState | null;
  /**
   * Not null: everything in the log is dropped first, and it begins anew after this position, which a durable
   * snapshot covers. `truncateFrom` is then null.
   */
  readonly snapshot: LogPosition | null;
  /** Entries from this index on are removed first; null = none. */
  readonly truncateFrom: number | null;
  readonly entries: readonly Entry[];
  /** Promises (votes, acknowledgements): must not leave before all of the above is durable. */
  readonly sendAfterDurable: readonly Envelope[];
}

export type Role = 'follower' | 'precandidate' | 'candidate' | 'leader' | 'learner';

export interface Leadership {
  readonly role: Role;
  readonly term: number;
  /** Leader of `term` as far as this member knows. */
  readonly leader: MemberName | null;
}

export interface ReadReady {
  readonly request: number;
  /** Serve once applied up to here; -1 = could not be confirmed, ask again. */
  readonly index: number;
}

/** Everything the outside must do after the inputs since the last `takeEffects()`. */
export interface Effects {
  /** May leave at once, before `persist` is durable. */
  readonly sendNow: readonly Envelope[];
  readonly persist: PersistEffect | null;
  /** Newly committed and durable on this member, in order, each handed out once. */
  readonly committed: readonly Entry[];
  readonly readReady: readonly ReadReady[];
  /** Set when role, term or leader changed. */
  readonly leadership: Leadership | null;
  /** Peers to stream a snapshot to; each once, until `snapshotSent` or `snapshotFailed` ends the attempt. */
  readonly snapshotsNeeded: readonly SnapshotNeeded[];
  /**
   * Set when another configuration came into force: on being appended, long before it is committed, and again
   * when it was rolled back.
   */
  readonly configurationChanged: Configuration | null;
}
