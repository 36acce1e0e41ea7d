/** A piece of a snapshot. Numbers count from 0 without gaps; the same number always means the same bytes. */
export interface Chunk {
  readonly number: number;
  /** At most the transport's `frameBytesMax`, less a few bytes. As received: valid until the next one is asked for. */
  readonly bytes: Uint8Array;
}

/** A snapshot as its owner hands it out. */
export interface SnapshotSource {
  /** Equal only for equal bytes in equal chunks, so that a receiver may go on where an earlier attempt broke off. */
  readonly id: string;
  /** Opened at most once per attempt, and always ended (`return`) before the attempt settles. */
  open(fromChunk: number): AsyncIterable<Chunk>;
}

/** What became of a snapshot that reached its receiver. */
export type SnapshotResult = 'installed' | { readonly refused: string };

/** A snapshot as a peer offers it. */
export interface SnapshotOffer {
  readonly id: string;
  /** Fires when the peer is gone, silent, or has begun anew: whatever is under way is of no use any more. */
  readonly signal: AbortSignal;
  /**
   * Asks for the chunks from this number on; call it at most once, or answer without it. They come as fast as they
   * are taken, and none is held in advance but what one frame and the socket hold. Ends after the last chunk.
   * @throws SnapshotError `interrupted` out of the iteration when the rest will not come.
   */
  chunks(fromChunk: number): AsyncIterable<Chunk>;
}

/**
 * Codes of a transfer without a result; it may be tried again:
 * - `unreachable`: no stream to the peer could be opened, or it refused to talk.
 * - `interrupted`: the stream broke, went silent, or made no sense.
 * - `busy`: a snapshot is on its way to this peer already.
 * - `aborted`: the caller's signal fired, the peer was removed, or this member closes.
 */
export type SnapshotErrorCode = 'unreachable' | 'interrupted' | 'busy' | 'aborted';

export class SnapshotError extends Error {
  readonly code: SnapshotErrorCode;

  constructor(code: SnapshotErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SnapshotError';
    this.code = code;
  }
}
