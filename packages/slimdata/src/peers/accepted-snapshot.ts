import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeMessage, encodeMessage, type Frame } from './codec.ts';
import { FrameReader } from './frame-reader.ts';
import { type Handshake, isSameProof, PROOF_FRAME_BYTES_MAX } from './handshake.ts';
import type { TransportLimits } from './limits.ts';
import { MalformedError } from './malformed-error.ts';
import { type Chunk, SnapshotError, type SnapshotOffer, type SnapshotResult } from './snapshot.ts';

const PONG = encodeMessage({ type: 'Pong' });
const REFUSED = encodeMessage({ type: 'Refused', status: 401 });

/** Longer reasons are cut. */
const REFUSAL_LENGTH_MAX = 1000;

export interface AcceptedSnapshotOptions {
  readonly handshake: Handshake;
  /** What the first frame must prove; null = nothing. */
  readonly proof: Buffer | null;
  readonly limits: TransportLimits;
  /** The stream is the peer's; resolves when its turn has come. */
  readonly onTrusted: () => Promise<void>;
  /** @see TransportEvents.onSnapshot */
  readonly onOffer: (offer: SnapshotOffer) => Promise<SnapshotResult>;
  readonly onChunk: (length: number) => void;
  /** The receiver itself failed. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * One snapshot that a peer sends. Reads only what its receiver asks for, so a slow receiver slows the sender, and
 * says at each check that it is there, so that the sender waits.
 */
export class AcceptedSnapshot {
  private readonly options: AcceptedSnapshotOptions;
  private readonly request: IncomingMessage;
  private readonly response: ServerResponse;
  private readonly reader = new FrameReader(PROOF_FRAME_BYTES_MAX);
  private readonly bytes: AsyncIterator<Buffer>;
  private readonly over = new AbortController();
  /** Waiting for the peer: only then does its silence count. */
  private reading = false;
  private trusted = false;
  private silentChecks = 0;
  /** Why this member itself ended it, with words that the peer still had to read. */
  private fault: string | null = null;

  /** Takes over a request whose response head has been sent. */
  constructor(request: IncomingMessage, response: ServerResponse, options: AcceptedSnapshotOptions) {
    this.options = options;
    this.request = request;
    this.response = response;
    this.bytes = request.iterator({ destroyOnReturn: false });
    const onGone = () => this.end('the peer closed the stream');
    request.on('error', onGone);
    response.on('error', onGone);
    request.socket.on('close', onGone);
  }

  get isTrusted(): boolean {
    return this.trusted;
  }

  /** In words why it ended; null while it has not. */
  get endReason(): string | null {
    return this.over.signal.aborted ? (this.fault ?? String(this.over.signal.reason)) : null;
  }

  /** Resolves when nothing of it is under way any more. Never rejects. */
  async run(): Promise<void> {
    try {
      await this.prove();
      await this.options.onTrusted();
      const result = await this.receive();
      const refusal = result === 'installed' ? '' : result.refused.slice(0, REFUSAL_LENGTH_MAX) || 'refused';
      this.write(encodeMessage({ type: 'SnapshotOutcome', refusal }));
      // The sender ends the stream when it has read that; closing first could take the words from its hands.
      while ((await this.nextBytes()) !== null);
      this.end('it is done');
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error));
    }
  }

  /** Called once per check interval: gives up a peer that went silent, and tells a living one to wait. */
  check(): void {
    const { limits } = this.options;
    this.silentChecks += this.reading ? 1 : 0;
    if (this.silentChecks > (this.trusted ? limits.acceptedSilentChecksMax : limits.proofSilentChecksMax)) {
      this.end(`nothing came during ${this.silentChecks} checks`);
    } else if (this.trusted && !this.response.writableNeedDrain) {
      this.write(PONG);
    }
  }

  /** Ends the stream at once; the receiver learns it by its signal. */
  end(reason: string): void {
    if (!this.over.signal.aborted) {
      this.over.abort(reason);
      // An answered request is not told of the end of its socket, and would be waited for without end.
      this.request.destroy();
      this.request.socket.destroy();
    }
  }

  private async prove(): Promise<void> {
    const { proof, limits } = this.options;
    if (proof !== null) {
      const frame = await this.next();
      if (frame.type !== 'Proof' || !isSameProof(frame.proof, proof)) {
        this.fault = frame.type === 'Proof' ? 'the proof is wrong' : `${frame.type} came before the proof`;
        this.response.end(REFUSED);
        while ((await this.nextBytes()) !== null);
        throw new MalformedError(this.fault);
      }
    }
    this.trusted = true;
    this.reader.bytesMax = limits.frameBytesMax;
  }

  private async receive(): Promise<SnapshotResult> {
    const { onOffer, onFailed } = this.options;
    const { signal } = this.over;
    const frame = await this.next();
    if (frame.type !== 'SnapshotOffer') {
      throw new MalformedError(`${frame.type} is no offer`);
    }
    let asked = false;
    const chunks = (fromChunk: number): AsyncIterable<Chunk> => {
      assert(!asked, 'chunks of one offer are asked for once');
      asked = true;
      return this.chunks(fromChunk);
    };
    try {
      return await onOffer({ id: frame.id, signal, chunks });
    } catch (error) {
      if (signal.aborted || error instanceof MalformedError) {
        throw error;
      }
      onFailed(error);
      return { refused: error instanceof Error ? error.message : String(error) };
    }
  }

  private async *chunks(fromChunk: number): AsyncGenerator<Chunk> {
    this.write(encodeMessage({ type: 'SnapshotWanted', number: fromChunk }));
    for (let number = fromChunk; ; number += 1) {
      const frame = await this.nextChunk();
      if (frame.type === 'SnapshotEnd' && frame.number === number) {
        return;
      }
      if (frame.type !== 'SnapshotChunk' || frame.number !== number) {
        const reason = `chunk ${number} was due, ${frame.type} came`;
        this.end(reason);
        throw new SnapshotError('interrupted', `The snapshot makes no sense: ${reason}.`);
      }
      this.options.onChunk(frame.bytes.length);
      yield { number, bytes: frame.bytes };
    }
  }

  private async nextChunk(): Promise<Frame> {
    try {
      return await this.next();
    } catch (cause) {
      this.end(cause instanceof Error ? cause.message : String(cause));
      throw new SnapshotError('interrupted', `The snapshot broke off: ${this.endReason}.`, { cause });
    }
  }

  /** The next frame that is no sign of life. @throws MalformedError, or SnapshotError when none will come */
  private async next(): Promise<Frame> {
    for (;;) {
      const body = this.reader.next();
      const frame = body === null ? null : decodeMessage(body);
      if (frame !== null && frame.type !== 'Ping') {
        return frame;
      }
      if (frame === null) {
        const received = await this.nextBytes();
        if (received === null) {
          throw new SnapshotError('interrupted', this.endReason ?? 'the peer closed the stream');
        }
        this.reader.push(received);
      }
    }
  }

  /** What came next; null at the end, however it came about. */
  private async nextBytes(): Promise<Buffer | null> {
    this.reading = true;
    try {
      const { done, value } = await this.bytes.next();
      this.silentChecks = 0;
      return done === true ? null : value;
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error));
      return null;
    } finally {
      this.reading = false;
    }
  }

  private write(frame: Buffer): void {
    if (!this.over.signal.aborted) {
      this.response.write(frame);
    }
  }
}
