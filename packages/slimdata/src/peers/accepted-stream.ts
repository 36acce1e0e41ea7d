import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeMessage, encodeMessage, type Frame } from './codec.ts';
import { FrameReader } from './frame-reader.ts';
import { type Handshake, isSameProof, PROOF_FRAME_BYTES_MAX } from './handshake.ts';
import type { Lane } from './lane.ts';
import type { TransportLimits } from './limits.ts';
import { MalformedError } from './malformed-error.ts';
import type { PeerMessage } from './peer-message.ts';

const PONG = encodeMessage({ type: 'Pong' });
const REFUSED = encodeMessage({ type: 'Refused', status: 401 });

/** Why an accepted stream ended. Only `malformed` and `unproven` speak against the peer. */
export type StreamEnd = 'closed' | 'silent' | 'replaced' | 'malformed' | 'unproven';

/** The handshake of a lane. */
type LaneHandshake = Handshake & { readonly stream: Lane };

export interface AcceptedStreamOptions {
  readonly handshake: LaneHandshake;
  /** What the first frame must prove; null = nothing. */
  readonly proof: Buffer | null;
  readonly limits: TransportLimits;
  /** The stream is the peer's: called once, before its first message. */
  readonly onTrusted: (stream: AcceptedStream) => void;
  /** Bytes of a trusted stream came in, whole frames or not. */
  readonly onBytes: (length: number) => void;
  readonly onMessage: (message: PeerMessage) => void;
  /** Called once; no message comes afterwards. */
  readonly onEnded: (stream: AcceptedStream, end: StreamEnd, detail: string) => void;
}

/** What one peer says to this member on one lane: verifies, decodes and hands over in order, until it ends. */
export class AcceptedStream {
  readonly handshake: LaneHandshake;
  private readonly options: AcceptedStreamOptions;
  private readonly request: IncomingMessage;
  private readonly response: ServerResponse;
  private readonly reader: FrameReader;
  private trusted = false;
  private ended = false;
  private ponged = false;
  private silentChecks = 0;

  /** Takes over a request whose response head has been sent. */
  constructor(request: IncomingMessage, response: ServerResponse, options: AcceptedStreamOptions) {
    this.handshake = options.handshake;
    this.options = options;
    this.request = request;
    this.response = response;
    this.reader = new FrameReader(PROOF_FRAME_BYTES_MAX);
    const over = () => this.end('closed', 'the peer closed it');
    request.on('data', (chunk: Buffer) => this.receive(chunk));
    request.on('end', over);
    request.on('error', over);
    response.on('error', over);
    request.socket.on('close', over);
    if (options.proof === null) {
      this.trust();
    }
  }

  /** True once the peer has proven itself, or need not. */
  get isTrusted(): boolean {
    return this.trusted;
  }

  /** Called once per check interval: gives up a stream that went silent. */
  check(): void {
    const { limits } = this.options;
    this.ponged = false;
    this.silentChecks += 1;
    if (this.silentChecks > (this.trusted ? limits.acceptedSilentChecksMax : limits.proofSilentChecksMax)) {
      this.end('silent', `nothing came during ${this.silentChecks} checks`);
    }
  }

  /** Ends the stream at once. */
  end(end: StreamEnd, detail: string): void {
    if (!this.ended) {
      this.ended = true;
      this.options.onEnded(this, end, detail);
      this.request.socket.destroy();
    }
  }

  private receive(chunk: Buffer): void {
    if (this.ended) {
      return;
    }
    if (this.trusted) {
      this.options.onBytes(chunk.length);
      this.hear();
    }
    this.reader.push(chunk);
    for (let frame = this.read(); frame !== null; frame = this.read()) {
      this.take(frame);
    }
  }

  /** The next frame; null when there is none yet, or the stream ended. */
  private read(): Frame | null {
    if (this.ended) {
      return null;
    }
    try {
      const body = this.reader.next();
      return body === null ? null : decodeMessage(body);
    } catch (error) {
      assert(error instanceof MalformedError, error instanceof Error ? error : String(error));
      this.end('malformed', error.message);
      return null;
    }
  }

  private take(frame: Frame): void {
    if (!this.trusted) {
      this.verify(frame);
      return;
    }
    switch (frame.type) {
      case 'Ping':
        return;
      case 'Proof':
      case 'Pong':
      case 'Refused':
      case 'SnapshotOffer':
      case 'SnapshotWanted':
      case 'SnapshotChunk':
      case 'SnapshotEnd':
      case 'SnapshotOutcome':
        this.end('malformed', `${frame.type} is not said here`);
        return;
      default:
        this.options.onMessage(frame);
    }
  }

  private verify(frame: Frame): void {
    const { proof } = this.options;
    if (proof !== null && frame.type === 'Proof' && isSameProof(frame.proof, proof)) {
      this.trust();
      return;
    }
    this.ended = true;
    const detail = frame.type === 'Proof' ? 'the proof is wrong' : `${frame.type} came before the proof`;
    this.options.onEnded(this, 'unproven', detail);
    this.response.end(REFUSED);
  }

  private trust(): void {
    this.trusted = true;
    this.reader.bytesMax = this.options.limits.frameBytesMax;
    this.options.onTrusted(this);
    this.hear();
  }

  /**
   * Tells the peer that its bytes arrive: at the first ones after each check, whole frame or not, so that a
   * slow link is not taken for a dead one. Not said to a peer that does not read what it is told.
   */
  private hear(): void {
    this.silentChecks = 0;
    if (!this.ponged && !this.response.writableNeedDrain) {
      this.ponged = true;
      this.response.write(PONG);
    }
  }
}
