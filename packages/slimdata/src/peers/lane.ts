import type { PeerMessage } from './peer-message.ts';

/** Two streams per direction, so that a long append never stands before a heartbeat. */
export const LANES = ['bulk', 'control'] as const;
export type Lane = (typeof LANES)[number];

/** Everything that one member opens to another: the lanes, which stay, and snapshots, one request each. */
export const STREAM_NAMES = [...LANES, 'snapshot'] as const;
export type StreamName = (typeof STREAM_NAMES)[number];

/**
 * The lane of a message. All AppendEntries share one, also empty ones: overtaking each other, they would only
 * be refused and sent again.
 */
export function laneOf(message: PeerMessage): Lane {
  return message.type === 'AppendEntries' || message.type === 'Propose' ? 'bulk' : 'control';
}
