/** Bounds of the transport. */
export interface TransportLimits {
  /** Every so many milliseconds each stream is checked for signs of life. */
  readonly checkIntervalMs: number;
  /** A dialed stream (also one being opened) from which nothing came during more checks than this is dropped. */
  readonly dialedSilentChecksMax: number;
  /** Same for an accepted stream; the dialing member says something between any two checks. */
  readonly acceptedSilentChecksMax: number;
  /** Same for an accepted stream whose first frame, the proof, is still missing. */
  readonly proofSilentChecksMax: number;
  /** Redialing waits this long at first, doubled each time up to the maximum, then between half and all of it. */
  readonly redialDelayMs: number;
  readonly redialDelayMsMax: number;
  /** Body of one frame, in either direction. */
  readonly frameBytesMax: number;
  /** What may wait for one stream, besides what its socket holds. */
  readonly bulkQueueBytesMax: number;
  readonly controlQueueBytesMax: number;
  readonly queueFramesMax: number;
  /** Accepted sockets, whoever dialed them. */
  readonly connectionsMax: number;
  /** A connection must have sent the head of its request within this time. */
  readonly headTimeoutMs: number;
}

/** The limits used unless told otherwise: a dead link is noticed within 6 s by its dialer, 11 s by its listener. */
export const defaultLimits: TransportLimits = {
  checkIntervalMs: 1000,
  dialedSilentChecksMax: 5,
  acceptedSilentChecksMax: 10,
  proofSilentChecksMax: 5,
  redialDelayMs: 50,
  redialDelayMsMax: 2000,
  frameBytesMax: 4 * 1024 * 1024,
  bulkQueueBytesMax: 8 * 1024 * 1024,
  controlQueueBytesMax: 1024 * 1024,
  queueFramesMax: 65_536,
  connectionsMax: 256,
  headTimeoutMs: 5000,
};
