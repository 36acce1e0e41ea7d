import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../logger.ts';
import type { MemberName } from '../raft/types.ts';
import { AcceptedStream, type StreamEnd } from './accepted-stream.ts';
import type { Admit, PeerIdentity } from './admission.ts';
import { certificateOf, isCertificateOf, namesOf, type TlsMaterial } from './certificate.ts';
import {
  acceptRequest,
  createProof,
  createResponseHeaders,
  type Handshake,
  type Identity,
  parseStreamPath,
  type Refusal,
} from './handshake.ts';
import { IncomingSnapshots } from './incoming-snapshots.ts';
import type { Lane, StreamName } from './lane.ts';
import type { TransportLimits } from './limits.ts';
import type { PeerMessage, TransportEvents } from './peer-message.ts';
import { openPort, type Port } from './port.ts';
import { answerProblem } from './problem.ts';
import { Refusals } from './refusals.ts';
import type { PeerCounters } from './statistics.ts';

/** Answers a request that is no stream of a peer. False = this is none of its own either; nothing was done. */
export type AnswerOther = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface PeerListenerOptions {
  readonly identity: Identity;
  readonly host: string;
  readonly port: number;
  readonly tls: TlsMaterial | null;
  readonly admit: Admit;
  readonly limits: TransportLimits;
  readonly logger: Logger;
  /** Null = not a peer. */
  readonly countersOf: (peer: MemberName) => PeerCounters | null;
  readonly onMet: (handshake: Handshake) => void;
  readonly onMessage: (from: PeerIdentity, message: PeerMessage) => void;
  readonly onSnapshot: TransportEvents['onSnapshot'];
  readonly answerOther: AnswerOther | null;
}

/** Binds the port. @throws the system's error when it cannot. */
export async function openListener(options: PeerListenerOptions): Promise<PeerListener> {
  const listener = new PeerListener(options);
  await listener.listen();
  return listener;
}

/** The port of a member: takes streams of its peers, one live stream per peer and name, and hands on other requests. */
export class PeerListener {
  private readonly options: PeerListenerOptions;
  private readonly refused: Refusals;
  private readonly snapshots: IncomingSnapshots;
  private readonly streams = new Set<AcceptedStream>();
  /** Trusted streams by peer and lane. */
  private readonly current = new Map<string, AcceptedStream>();
  private bound: Port | null = null;
  private stopped = false;

  constructor(options: PeerListenerOptions) {
    this.options = options;
    this.refused = new Refusals(options.logger);
    this.snapshots = new IncomingSnapshots({ ...options, refusals: this.refused });
  }

  get port(): number {
    return this.bound?.number ?? this.options.port;
  }

  async listen(): Promise<void> {
    const { host, port, tls, limits, logger } = this.options;
    this.bound = await openPort({
      host,
      port,
      tls,
      limits,
      onRequest: (request, response) => this.answer(request, response),
      onUntrusted: (remote, reason) =>
        this.refused.add(401, { remote, detail: `No trusted TLS connection: ${reason}.` }),
      onFailed: (error) => logger.error({ reason: error.message }, 'peer_listener_failed'),
    });
  }

  isAccepted(peer: MemberName, lane: Lane): boolean {
    return this.current.has(keyOf(peer, lane));
  }

  refusals(): Record<number, number> {
    return this.refused.totals();
  }

  check(): void {
    for (const stream of this.streams) {
      stream.check();
    }
    this.snapshots.check();
  }

  /** Ends the streams of a peer that is none any more. */
  forget(peer: MemberName): void {
    for (const stream of this.streams) {
      if (stream.handshake.from === peer) {
        stream.end('closed', 'the peer was removed');
      }
    }
    this.snapshots.forget(peer);
  }

  /** From here on no message is handed over, and no request is answered. */
  stop(): void {
    this.stopped = true;
  }

  async close(): Promise<void> {
    this.stop();
    for (const stream of this.streams) {
      stream.end('closed', 'this member closes');
    }
    await Promise.all([this.snapshots.close(), this.bound?.close()]);
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.stopped) {
      request.socket.destroy();
      return;
    }
    const stream = parseStreamPath(request.url);
    if (stream === null) {
      if (this.options.answerOther?.(request, response) !== true) {
        const detail = 'This port answers members of the cluster only.';
        answerProblem(response, { status: 404, title: 'Not found', detail });
      }
      return;
    }
    if (request.method !== 'POST') {
      response.setHeader('allow', 'POST');
      answerProblem(response, { status: 405, title: 'Method not allowed', detail: 'A stream is a POST.' });
      return;
    }
    const outcome = this.shakeHands(request, stream);
    if ('status' in outcome) {
      this.refused.add(outcome.status, { remote: request.socket.remoteAddress, detail: outcome.detail });
      answerProblem(response, outcome);
    } else {
      this.accept(request, response, outcome);
    }
  }

  private shakeHands(request: IncomingMessage, stream: StreamName): Handshake | Refusal {
    const { identity, countersOf, admit, tls } = this.options;
    const isListed = (name: MemberName) => countersOf(name) !== null;
    const outcome = acceptRequest(request.headers, stream, { identity, isListed, admit });
    if ('status' in outcome || tls === null) {
      return outcome;
    }
    const certificate = certificateOf(request.socket);
    if (isCertificateOf(certificate, outcome.from)) {
      return outcome;
    }
    const shown = certificate === undefined ? 'no certificate' : `a certificate for ${namesOf(certificate)}`;
    const detail = `"${outcome.from}" shows ${shown}: give each member one in its own name.`;
    return { status: 401, title: 'Not authenticated', detail };
  }

  private accept(request: IncomingMessage, response: ServerResponse, handshake: Handshake): void {
    const { clusterSecret } = this.options.identity;
    const { stream } = handshake;
    response.writeHead(200, createResponseHeaders(handshake, clusterSecret));
    response.flushHeaders();
    const proof = clusterSecret === null ? null : createProof(clusterSecret, 'dialer', handshake);
    if (stream === 'snapshot') {
      this.snapshots.accept(request, response, handshake, proof);
    } else {
      this.acceptLane(request, response, { ...handshake, stream }, proof);
    }
  }

  private acceptLane(
    request: IncomingMessage,
    response: ServerResponse,
    handshake: AcceptedStream['handshake'],
    proof: Buffer | null,
  ): void {
    const { limits, onMessage } = this.options;
    const { from: name, fromDisk: diskId } = handshake;
    const from: PeerIdentity = { name, diskId };
    const stream = new AcceptedStream(request, response, {
      handshake,
      proof,
      limits,
      onTrusted: (trusted) => this.replace(trusted),
      onBytes: (length) =>
        this.update(name, (counters) => {
          counters.bytesReceived += length;
        }),
      onMessage: (message) => {
        if (!this.stopped) {
          this.update(name, (counters) => {
            counters.framesReceived += 1;
          });
          onMessage(from, message);
        }
      },
      onEnded: (ended, end, detail) => this.ended(ended, end, detail),
    });
    this.streams.add(stream);
  }

  /** The newest trusted stream is the peer's; an older one belongs to a connection that the peer gave up. */
  private replace(stream: AcceptedStream): void {
    const { handshake } = stream;
    const { from, stream: lane, fromDisk } = handshake;
    const key = keyOf(from, lane);
    this.current.get(key)?.end('replaced', 'a newer stream of the same peer');
    this.current.set(key, stream);
    this.options.logger.info({ peer: from, lane, disk: fromDisk }, 'peer_stream_accepted');
    if (!this.stopped) {
      this.options.onMet(handshake);
    }
  }

  private ended(stream: AcceptedStream, end: StreamEnd, detail: string): void {
    const { from, stream: lane } = stream.handshake;
    const { logger } = this.options;
    const key = keyOf(from, lane);
    this.streams.delete(stream);
    if (this.current.get(key) === stream) {
      this.current.delete(key);
    }
    if (!stream.isTrusted) {
      const reason = `No proof of member "${from}": ${detail}.`;
      this.refused.add(401, { peer: from, stream: lane, detail: reason });
    } else if (end === 'malformed') {
      this.update(from, (counters) => {
        counters.malformed += 1;
      });
      logger.warn({ peer: from, lane, reason: detail }, 'peer_stream_malformed');
    } else if (!this.stopped) {
      logger.info({ peer: from, lane, end, reason: detail }, 'peer_stream_ended');
    }
  }

  private update(peer: MemberName, change: (counters: PeerCounters) => void): void {
    const counters = this.options.countersOf(peer);
    if (counters !== null) {
      change(counters);
    }
  }
}

function keyOf(peer: MemberName, lane: Lane): string {
  return `${lane} ${peer}`;
}
