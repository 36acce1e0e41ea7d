import type { LogStore } from '../log/log-store.ts';
import type { PeerMessage } from '../peers/peer-message.ts';
import type { Configuration, MemberName, SnapshotNeeded } from '../raft/types.ts';
import type { StateDelta } from '../state-machine/stored-state.ts';

/** The applied state on this member's own disk. */
export interface CheckpointPort {
  /** Makes the delta durable with the configuration in force where it ends; then runs `onDurable`. */
  write(delta: StateDelta, configuration: Configuration, onDurable: () => void): void;
}

/** All that a replica needs of the world; a simulator hands in its own. */
export interface ReplicaPorts {
  readonly log: LogStore;
  readonly checkpoint: CheckpointPort;
  /** Streams this member's checkpoint to a peer; `done` learns the index it has now, or null when that failed. */
  sendSnapshot(needed: SnapshotNeeded, done: (index: number | null) => void): void;
  /** Queues a message for a peer. Never blocks, never throws; a loss comes back as `unreachable`. */
  send(to: MemberName, message: PeerMessage): void;
  /** Runs `turn` soon, after waiting mail has been read (setImmediate), and never before returning. */
  schedule(turn: () => void): void;
  /** Monotonic milliseconds. */
  now(): number;
  /** Uniform in [0, 1). */
  random(): number;
}

/** Bounds of one replica. They shape waiting and refusal only, never what an entry does. */
export interface ReplicaLimits {
  /** Transactions of this member that are not settled yet. */
  readonly proposalsMax: number;
  /** Their counted bytes. */
  readonly proposalBytesMax: number;
  /** Counted bytes of one transaction: names, values, and a little for each check and write. */
  readonly transactionBytesMax: number;
  /** Read barriers of this member that are not settled yet. */
  readonly readsMax: number;
  /** Messages that wait for the next turn; more are dropped and their sender counts as unreachable. */
  readonly inboxMax: number;
  /** Committed entries not applied yet beyond which a leader refuses proposals. */
  readonly applyBacklogMax: number;
  /** No news of a proposal or read for this long: it is sent again. Doubles with each time. */
  readonly resendMs: number;
  /** Wait before something refused or lost is sent again. */
  readonly retryMs: number;
  /** Longest stretch of applying in one turn. */
  readonly applySliceMs: number;
  /** A checkpoint is due after this many entries, or bytes of their payloads. */
  readonly checkpointEntries: number;
  readonly checkpointBytes: number;
  /** Entries kept behind a checkpoint, so that a follower that lags a little needs no snapshot. */
  readonly logMarginEntries: number;
}

export const replicaLimits: ReplicaLimits = {
  proposalsMax: 4_096,
  proposalBytesMax: 16_777_216,
  transactionBytesMax: 1_048_576,
  readsMax: 16_384,
  inboxMax: 65_536,
  applyBacklogMax: 5_000,
  resendMs: 500,
  retryMs: 50,
  applySliceMs: 5,
  checkpointEntries: 10_000,
  checkpointBytes: 16_777_216,
  logMarginEntries: 5_000,
};

/** Told what became of a request: its result, or why there is none. Called once. */
export type Settle<T> = (outcome: T | Error) => void;
