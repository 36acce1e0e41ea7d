import type { LogStore } from '../log/log-store.ts';
import type { PeerMessage } from '../peers/peer-message.ts';
import type { MemberName } from '../raft/types.ts';

/** All that a replica needs of the world; a simulator hands in its own. */
export interface ReplicaPorts {
  readonly log: LogStore;
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
};

/** Told what became of a request: its result, or why there is none. Called once. */
export type Settle<T> = (outcome: T | Error) => void;
