import type { MemberName, RaftMessage } from '../raft/types.ts';
import type { PeerIdentity } from './admission.ts';
import type { SnapshotOffer, SnapshotResult } from './snapshot.ts';

/** A member hands its encoded command to the leader. It learns the result by applying the entry itself. */
export interface Propose {
  readonly type: 'Propose';
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** The receiver could not propose it; nothing was appended for this message. */
export interface ProposeRefused {
  readonly type: 'ProposeRefused';
  readonly sequence: number;
  readonly reason: 'not_leader' | 'overloaded';
}

/** Everything that members say to each other. */
export type PeerMessage = RaftMessage | Propose | ProposeRefused;

/**
 * What the replica needs of the network. `send` never blocks and never throws: what cannot be queued within
 * its bound, or is lost with a broken stream, is reported through `onUnreachable` given at opening.
 */
export interface Transport {
  send(to: MemberName, message: PeerMessage): void;
  close(): Promise<void>;
}

/** A peer with which a stream stands, in either direction. Only with a secret or TLS is it proven to be that one. */
export interface MetPeer extends PeerIdentity {
  /** '' = it has not joined a cluster yet. */
  readonly clusterId: string;
}

/** Callbacks that a transport drives. Calls for one peer and lane come in the order they were sent. */
export interface TransportEvents {
  onMessage(from: PeerIdentity, message: PeerMessage): void;
  onUnreachable(peer: MemberName): void;
  /** At each stream that comes to stand; tells who has which disk, and who has joined. */
  onMet?(peer: MetPeer): void;
  /**
   * At each dial that is refused, e.g. 410: the peer takes this member for removed. Nothing proves that it was the
   * peer who answered: a reason to ask or to tell, not to act.
   */
  onRefused?(peer: MemberName, status: number, detail: string): void;
  /**
   * A peer has a snapshot for this member. Called for one at a time per peer: the next waits until this has settled.
   * A rejection is answered as a refusal with the error's message. Without this callback every offer is refused.
   */
  onSnapshot?(from: PeerIdentity, offer: SnapshotOffer): Promise<SnapshotResult>;
}
