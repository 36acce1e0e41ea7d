import type { MemberName, RaftMessage } from '../raft/types.ts';

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

/** Callbacks that a transport drives. Calls for one peer and lane come in the order they were sent. */
export interface TransportEvents {
  onMessage(from: MemberName, message: PeerMessage): void;
  onUnreachable(peer: MemberName): void;
}
