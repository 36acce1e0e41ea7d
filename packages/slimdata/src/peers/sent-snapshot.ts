import assert from 'node:assert/strict';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { decodeMessage, encodeMessage, FRAME_HEAD_BYTES, type Frame } from './codec.ts';
import { type DialTarget, dial } from './dial.ts';
import { FrameReader } from './frame-reader.ts';
import { createProof, type Handshake } from './handshake.ts';
import type { TransportLimits } from './limits.ts';
import { MalformedError } from './malformed-error.ts';
import { SnapshotError, type SnapshotResult, type SnapshotSource } from './snapshot.ts';

/** Nothing that comes back is longer. */
const ANSWER_BYTES_MAX = 8192;

const PING = encodeMessage({ type: 'Ping' });

export interface SentSnapshotOptions {
  readonly target: DialTarget;
  readonly source: SnapshotSource;
  readonly limits: TransportLimits;
  readonly onChunk: (length: number) => void;
}

/** One snapshot on its way to one peer, on a connection of its own. Reads from its source no faster than it leaves. */
export class SentSnapshot {
  private readonly options: SentSnapshotOptions;
  private readonly stream: ClientRequest;
  private outcome: SnapshotResult | Error | null = null;
  /** Sending chunks; null before they are asked for. */
  private pumping: Promise<void> | null = null;
  private opened = false;
  private silentChecks = 0;
  private settle: () => void = () => undefined;
  private readonly settled = new Promise<void>((resolve) => {
    this.settle = resolve;
  });
  private resume: () => void = () => undefined;

  constructor(options: SentSnapshotOptions) {
    this.options = options;
    this.stream = dial(options.target, {
      onAccepted: (response, handshake) => this.open(response, handshake),
      onEnded: (reason) => this.fail(this.opened ? 'interrupted' : 'unreachable', reason),
    });
    this.stream.on('drain', () => this.resume());
  }

  /** Resolves when the peer has answered, and the source is not in use any more. @throws SnapshotError, or the source's error */
  async result(): Promise<SnapshotResult> {
    await this.settled;
    await this.pumping;
    const { outcome } = this;
    assert(outcome !== null, 'a settled transfer has an outcome');
    if (outcome instanceof Error) {
      throw outcome;
    }
    return outcome;
  }

  /** Called once per check interval: gives up a peer that went silent, and says that this member is there. */
  check(): void {
    this.silentChecks += 1;
    if (this.silentChecks > this.options.limits.dialedSilentChecksMax) {
      this.fail(this.opened ? 'interrupted' : 'unreachable', `no answer during ${this.silentChecks} checks`);
    } else if (this.opened && !this.stream.writableNeedDrain) {
      this.stream.write(PING);
    }
  }

  abort(reason: string): void {
    this.fail('aborted', reason);
  }

  private open(response: IncomingMessage, handshake: Handshake): void {
    const { target, source } = this.options;
    const { clusterSecret } = target.identity;
    this.opened = true;
    this.silentChecks = 0;
    if (clusterSecret !== null) {
      const proof = createProof(clusterSecret, 'dialer', handshake);
      this.stream.write(encodeMessage({ type: 'Proof', proof }));
    }
    this.stream.write(encodeMessage({ type: 'SnapshotOffer', id: source.id }));
    const reader = new FrameReader(ANSWER_BYTES_MAX);
    response.on('data', (chunk: Buffer) => {
      reader.push(chunk);
      this.listen(reader);
    });
  }

  private listen(reader: FrameReader): void {
    this.silentChecks = 0;
    try {
      for (let body = reader.next(); body !== null && this.outcome === null; body = reader.next()) {
        this.answer(decodeMessage(body));
      }
    } catch (error) {
      assert(error instanceof MalformedError, error instanceof Error ? error : String(error));
      this.fail('interrupted', `the answer cannot be read: ${error.message}`);
    }
  }

  private answer(frame: Frame): void {
    switch (frame.type) {
      case 'Pong':
        return;
      case 'Refused':
        this.fail('unreachable', `refused with ${frame.status} after the proof`);
        return;
      case 'SnapshotWanted':
        if (this.pumping !== null) {
          throw new MalformedError('chunks are asked for twice');
        }
        this.pumping = this.pump(frame.number);
        return;
      case 'SnapshotOutcome':
        this.finish(frame.refusal === '' ? 'installed' : { refused: frame.refusal });
        return;
      default:
        throw new MalformedError(`${frame.type} is no answer`);
    }
  }

  /** Never rejects: an error of the source is the outcome. */
  private async pump(fromChunk: number): Promise<void> {
    const { source, limits, onChunk } = this.options;
    let number = fromChunk;
    try {
      for await (const chunk of source.open(fromChunk)) {
        if (this.outcome !== null) {
          return;
        }
        assert.equal(chunk.number, number, 'chunks are numbered without gaps');
        const frame = encodeMessage({ type: 'SnapshotChunk', ...chunk });
        const bodyBytes = frame.length - FRAME_HEAD_BYTES;
        assert(
          bodyBytes <= limits.frameBytesMax,
          `chunk ${number} of ${chunk.bytes.length} bytes is too large`,
        );
        onChunk(chunk.bytes.length);
        await this.write(frame);
        number += 1;
      }
      await this.write(encodeMessage({ type: 'SnapshotEnd', number }));
    } catch (error) {
      this.finish(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Resolves when more may be written, or nothing need be. */
  private async write(frame: Buffer): Promise<void> {
    if (this.outcome === null && !this.stream.write(frame)) {
      await new Promise<void>((resolve) => {
        this.resume = resolve;
      });
    }
  }

  private fail(code: SnapshotError['code'], reason: string): void {
    const { peer } = this.options.target;
    this.finish(new SnapshotError(code, `The snapshot for "${peer}" was not delivered: ${reason}.`));
  }

  private finish(outcome: SnapshotResult | Error): void {
    if (this.outcome === null) {
      this.outcome = outcome;
      this.stream.destroy();
      this.resume();
      this.settle();
    }
  }
}
