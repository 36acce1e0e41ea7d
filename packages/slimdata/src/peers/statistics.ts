import type { Lane } from './lane.ts';

/** What one member counts about one peer, since the start. */
export interface PeerCounters {
  /** Streams dialed, both lanes: 2 when nothing ever broke. */
  dials: number;
  /** Messages, without the streams' own signals. */
  framesSent: number;
  framesReceived: number;
  /** Messages that were not, or perhaps not, delivered. */
  framesDropped: number;
  /** Frames with their heads, signals included. */
  bytesSent: number;
  bytesReceived: number;
  /** Streams of this peer that ended because their bytes made no sense. */
  malformed: number;
  /** Chunks of snapshots, without their frames; not part of the bytes above. */
  snapshotBytesSent: number;
  snapshotBytesReceived: number;
}

/** One peer as it is now. */
interface PeerStatistics extends Readonly<PeerCounters> {
  /** Lanes on which this member can send. */
  readonly dialed: readonly Lane[];
  /** Lanes on which this member can receive. */
  readonly accepted: readonly Lane[];
}

/** Figures of the transport, by name of the peer. */
export interface TransportStatistics {
  readonly peers: Readonly<Record<string, PeerStatistics>>;
  /** Handshakes refused, by status. */
  readonly refusals: Readonly<Record<number, number>>;
}

export function createCounters(): PeerCounters {
  return {
    dials: 0,
    framesSent: 0,
    framesReceived: 0,
    framesDropped: 0,
    bytesSent: 0,
    bytesReceived: 0,
    malformed: 0,
    snapshotBytesSent: 0,
    snapshotBytesReceived: 0,
  };
}
