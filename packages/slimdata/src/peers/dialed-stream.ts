import assert from 'node:assert/strict';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Logger } from '../logger.ts';
import type { Admit } from './admission.ts';
import type { TlsMaterial } from './certificate.ts';
import { decodeMessage, encodeMessage, type Frame } from './codec.ts';
import { dial } from './dial.ts';
import { FrameQueue } from './frame-queue.ts';
import { FrameReader } from './frame-reader.ts';
import { createProof, type Handshake, type Identity } from './handshake.ts';
import type { Lane } from './lane.ts';
import type { TransportLimits } from './limits.ts';
import { MalformedError } from './malformed-error.ts';
import type { PeerCounters } from './statistics.ts';
import type { Timers } from './timers.ts';

/** Frames of one turn are joined up to this size, so that they cost one write. */
const WRITE_BYTES_MAX = 256 * 1024;

/** Nothing that comes back on a dialed stream is longer. */
const SIGNAL_BYTES_MAX = 64;

const PING = encodeMessage({ type: 'Ping' });

export interface DialedStreamOptions {
  readonly identity: Identity;
  readonly peer: string;
  readonly url: string | (() => string);
  readonly tls: TlsMaterial | null;
  readonly lane: Lane;
  readonly admit: Admit;
  readonly limits: TransportLimits;
  readonly timers: Timers;
  /** In [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
  readonly counters: PeerCounters;
  /** The peer answers as itself. */
  readonly onMet: (handshake: Handshake) => void;
  readonly onRefused: (status: number, detail: string) => void;
  /** Something sent may not have arrived. */
  readonly onLoss: () => void;
}

/**
 * What this member says to one peer on one lane. Dials, redials until closed, and keeps a bounded queue before the
 * socket. Whatever was queued or written when a stream breaks counts as lost: nothing is sent twice.
 */
export class DialedStream {
  private readonly options: DialedStreamOptions;
  private readonly queue: FrameQueue;
  /** The stream being opened or open; null between two dials. */
  private stream: ClientRequest | null = null;
  private state: 'waiting' | 'dialing' | 'open' | 'closed' = 'waiting';
  /** The peer has answered on this stream, so it also took the proof. */
  private confirmed = false;
  private blocked = false;
  private pumpPlanned = false;
  private wroteSinceCheck = false;
  private silentChecks = 0;
  /** Dials since a stream last lived through a check: one that is taken and dropped at once changes nothing. */
  private attempts = 0;
  private cancelRedial: () => void = () => undefined;
  private lastReason: string | null = null;

  constructor(options: DialedStreamOptions) {
    const { lane, limits } = options;
    this.options = options;
    const bytesMax = lane === 'bulk' ? limits.bulkQueueBytesMax : limits.controlQueueBytesMax;
    this.queue = new FrameQueue(bytesMax, limits.queueFramesMax);
    this.dial();
  }

  /** True while the peer is known to take what is sent. */
  get isConnected(): boolean {
    return this.state === 'open' && this.confirmed;
  }

  /** Queues a frame; it leaves, with all others of this turn, before the next one. Lost when there is no stream. */
  send(frame: Buffer): void {
    if (this.state !== 'open' || !this.queue.push(frame)) {
      this.options.counters.framesDropped += 1;
      this.options.onLoss();
      return;
    }
    if (!this.pumpPlanned && !this.blocked) {
      this.pumpPlanned = true;
      process.nextTick(() => this.pump());
    }
  }

  /** Called once per check interval: keeps the stream talking, and gives up one that does not answer. */
  check(): void {
    if (this.stream === null) {
      return;
    }
    this.silentChecks += 1;
    if (this.silentChecks > this.options.limits.dialedSilentChecksMax) {
      this.break(`no answer during ${this.silentChecks} checks`);
    } else if (this.state === 'open' && !this.wroteSinceCheck && !this.blocked) {
      this.write(PING, 0);
    }
    this.wroteSinceCheck = false;
    if (this.confirmed) {
      this.attempts = 0;
      this.lastReason = null;
    }
  }

  /** Hands what is queued to the socket, as far as it takes it. */
  flush(): void {
    this.pump();
  }

  /** Ends at once and for good; says nothing any more. */
  close(): void {
    this.state = 'closed';
    this.cancelRedial();
    this.queue.clear();
    this.stream?.destroy();
  }

  private dial(): void {
    const { identity, peer, lane, url, tls, admit, counters, onRefused } = this.options;
    this.state = 'dialing';
    this.silentChecks = 0;
    this.blocked = false;
    this.attempts += 1;
    counters.dials += 1;
    const address = typeof url === 'string' ? url : url();
    const target = { identity, peer, stream: lane, url: address, tls, admit };
    const stream = dial(target, {
      onAccepted: (response, handshake) => this.open(stream, response, handshake),
      onRefused: (status, detail) => {
        if (this.stream === stream) {
          onRefused(status, detail);
        }
      },
      onEnded: (reason) => {
        if (this.stream === stream) {
          this.ended(reason);
        }
      },
    });
    stream.on('drain', () => {
      if (this.stream === stream) {
        this.blocked = false;
        this.pump();
      }
    });
    this.stream = stream;
  }

  private open(stream: ClientRequest, response: IncomingMessage, handshake: Handshake): void {
    const { identity, limits } = this.options;
    if (this.state !== 'dialing' || this.stream !== stream) {
      stream.destroy();
      return;
    }
    this.state = 'open';
    this.silentChecks = 0;
    if (identity.clusterSecret !== null) {
      const proof = createProof(identity.clusterSecret, 'dialer', handshake);
      this.write(encodeMessage({ type: 'Proof', proof }), 0);
    }
    this.options.onMet(handshake);
    const reader = new FrameReader(Math.min(SIGNAL_BYTES_MAX, limits.frameBytesMax));
    response.on('data', (chunk: Buffer) => {
      reader.push(chunk);
      this.listen(reader);
    });
  }

  /** Reads what the peer says back: only that it is there, or that it will not listen. */
  private listen(reader: FrameReader): void {
    try {
      for (let body = reader.next(); body !== null && this.state === 'open'; body = reader.next()) {
        this.answer(decodeMessage(body));
      }
    } catch (error) {
      assert(error instanceof MalformedError, error instanceof Error ? error : String(error));
      this.break(`the answer cannot be read: ${error.message}`);
    }
  }

  private answer(frame: Frame): void {
    if (frame.type === 'Pong') {
      this.silentChecks = 0;
      this.confirm();
    } else if (frame.type === 'Refused') {
      this.break(`refused with ${frame.status} after the proof`);
    } else {
      throw new MalformedError(`${frame.type} is no answer`);
    }
  }

  private confirm(): void {
    const { peer, lane, logger } = this.options;
    if (!this.confirmed) {
      this.confirmed = true;
      logger.info({ peer, lane }, 'peer_stream_opened');
    }
  }

  private pump(): void {
    this.pumpPlanned = false;
    while (this.state === 'open' && !this.blocked && this.queue.length > 0) {
      const frames = this.queue.take(WRITE_BYTES_MAX);
      const [first] = frames;
      if (first !== undefined) {
        this.write(frames.length === 1 ? first : Buffer.concat(frames), frames.length);
      }
    }
  }

  private write(bytes: Buffer, frames: number): void {
    const { counters } = this.options;
    counters.framesSent += frames;
    counters.bytesSent += bytes.length;
    this.wroteSinceCheck = true;
    this.blocked = this.stream?.write(bytes) === false;
  }

  private break(reason: string): void {
    const stream = this.stream;
    this.ended(reason);
    stream?.destroy();
  }

  /** The stream is over, for whatever reason: tells what was lost, once, and plans the next dial. */
  private ended(reason: string): void {
    const { counters, limits, timers, random, onLoss } = this.options;
    if (this.state === 'closed' || this.state === 'waiting') {
      return;
    }
    const wasOpen = this.state === 'open';
    this.state = 'waiting';
    this.stream = null;
    this.confirmed = false;
    counters.framesDropped += this.queue.clear();
    this.logReason(reason, wasOpen);
    const doublings = Math.min(Math.max(this.attempts - 1, 0), 30);
    const ceilingMs = Math.min(limits.redialDelayMs * 2 ** doublings, limits.redialDelayMsMax);
    this.cancelRedial = timers.after(ceilingMs * (0.5 + random() / 2), () => this.dial());
    if (wasOpen) {
      onLoss();
    }
  }

  /** One line per change, so that a peer that is away for a day does not fill the log. */
  private logReason(reason: string, wasOpen: boolean): void {
    const { peer, lane, url, logger } = this.options;
    if (reason !== this.lastReason) {
      this.lastReason = reason;
      const address = typeof url === 'string' ? url : url();
      logger.warn({ peer, lane, url: address, reason }, wasOpen ? 'peer_stream_lost' : 'peer_unreachable');
    }
  }
}
