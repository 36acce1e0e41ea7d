import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../logger.ts';
import type { MemberName } from '../raft/types.ts';
import { AcceptedStream, type StreamEnd } from './accepted-stream.ts';
import {
  acceptRequest,
  createProof,
  createResponseHeaders,
  type Handshake,
  type Identity,
  parseStreamPath,
} from './handshake.ts';
import type { Lane } from './lane.ts';
import type { TransportLimits } from './limits.ts';
import type { PeerMessage } from './peer-message.ts';
import { answerProblem } from './problem.ts';
import type { PeerCounters } from './statistics.ts';

const HEAD_BYTES_MAX = 8192;
const HEAD_CHECK_INTERVAL_MS = 1000;

/** Distinct refusals remembered, so that each is logged once. */
const REFUSALS_REMEMBERED_MAX = 256;

export interface PeerListenerOptions {
  readonly identity: Identity;
  readonly host: string;
  readonly port: number;
  readonly limits: TransportLimits;
  readonly logger: Logger;
  /** Null = not a peer. */
  readonly countersOf: (peer: MemberName) => PeerCounters | null;
  readonly onMessage: (from: MemberName, message: PeerMessage) => void;
}

interface RefusalFacts {
  readonly detail: string;
  readonly peer?: MemberName;
  readonly lane?: Lane;
  readonly remote?: string | undefined;
}

/** Binds the port. @throws the system's error when it cannot. */
export async function openListener(options: PeerListenerOptions): Promise<PeerListener> {
  const listener = new PeerListener(options);
  await listener.listen();
  return listener;
}

/** The port of a member: takes streams of its peers and refuses everything else. One live stream per peer and lane. */
export class PeerListener {
  private readonly options: PeerListenerOptions;
  private readonly server: Server;
  private readonly streams = new Set<AcceptedStream>();
  /** Trusted streams by peer and lane. */
  private readonly current = new Map<string, AcceptedStream>();
  private readonly refusalCounts = new Map<number, number>();
  private readonly refusalsLogged = new Set<string>();
  private stopped = false;

  constructor(options: PeerListenerOptions) {
    this.options = options;
    this.server = createServer(
      {
        // A stream is one request that never ends: only its head has a time limit.
        requestTimeout: 0,
        headersTimeout: options.limits.headTimeoutMs,
        connectionsCheckingInterval: Math.min(HEAD_CHECK_INTERVAL_MS, options.limits.headTimeoutMs),
        maxHeaderSize: HEAD_BYTES_MAX,
        noDelay: true,
        keepAlive: true,
      },
      (request, response) => this.answer(request, response),
    );
    this.server.maxConnections = options.limits.connectionsMax;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    const { port, host } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ port, host }, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
    const { logger } = this.options;
    this.server.on('error', (error) => logger.error({ reason: error.message }, 'peer_listener_failed'));
  }

  isAccepted(peer: MemberName, lane: Lane): boolean {
    return this.current.has(keyOf(peer, lane));
  }

  refusals(): Record<number, number> {
    return Object.fromEntries(this.refusalCounts);
  }

  check(): void {
    for (const stream of this.streams) {
      stream.check();
    }
  }

  /** Ends the streams of a peer that is none any more. */
  forget(peer: MemberName): void {
    for (const stream of this.streams) {
      if (stream.handshake.from === peer) {
        stream.end('closed', 'the peer was removed');
      }
    }
  }

  /** From here on no message is handed over. */
  stop(): void {
    this.stopped = true;
  }

  async close(): Promise<void> {
    this.stop();
    for (const stream of this.streams) {
      stream.end('closed', 'this member closes');
    }
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const lane = parseStreamPath(request.url);
    if (lane === null) {
      const detail = 'This port answers members of the cluster only.';
      answerProblem(response, { status: 404, title: 'Not found', detail });
      return;
    }
    if (request.method !== 'POST') {
      response.setHeader('allow', 'POST');
      answerProblem(response, { status: 405, title: 'Method not allowed', detail: 'A stream is a POST.' });
      return;
    }
    const { identity, countersOf } = this.options;
    const isPeer = (name: MemberName) => countersOf(name) !== null;
    const outcome = acceptRequest(request.headers, lane, identity, isPeer);
    if ('status' in outcome) {
      this.countRefusal(outcome.status, { remote: request.socket.remoteAddress, detail: outcome.detail });
      answerProblem(response, outcome);
    } else {
      this.accept(request, response, outcome);
    }
  }

  private accept(request: IncomingMessage, response: ServerResponse, handshake: Handshake): void {
    const { identity, limits, onMessage } = this.options;
    const { clusterSecret } = identity;
    const { from } = handshake;
    response.writeHead(200, createResponseHeaders(handshake, clusterSecret));
    response.flushHeaders();
    const stream = new AcceptedStream(request, response, {
      handshake,
      proof: clusterSecret === null ? null : createProof(clusterSecret, 'dialer', handshake),
      limits,
      onTrusted: (trusted) => this.replace(trusted),
      onBytes: (length) =>
        this.update(from, (counters) => {
          counters.bytesReceived += length;
        }),
      onMessage: (message) => {
        if (!this.stopped) {
          this.update(from, (counters) => {
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
    const { from, lane, fromDisk } = stream.handshake;
    const key = keyOf(from, lane);
    this.current.get(key)?.end('replaced', 'a newer stream of the same peer');
    this.current.set(key, stream);
    this.options.logger.info({ peer: from, lane, disk: fromDisk }, 'peer_stream_accepted');
  }

  private ended(stream: AcceptedStream, end: StreamEnd, detail: string): void {
    const { from, lane } = stream.handshake;
    const { logger } = this.options;
    const key = keyOf(from, lane);
    this.streams.delete(stream);
    if (this.current.get(key) === stream) {
      this.current.delete(key);
    }
    if (!stream.isTrusted) {
      this.countRefusal(401, { peer: from, lane, detail: `No proof of member "${from}": ${detail}.` });
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

  /** Logged once per distinct reason; the count goes on. */
  private countRefusal(status: number, facts: RefusalFacts): void {
    this.refusalCounts.set(status, (this.refusalCounts.get(status) ?? 0) + 1);
    if (this.refusalsLogged.size < REFUSALS_REMEMBERED_MAX && !this.refusalsLogged.has(facts.detail)) {
      this.refusalsLogged.add(facts.detail);
      this.options.logger.warn({ status, ...facts }, 'peer_refused');
    }
  }
}

function keyOf(peer: MemberName, lane: Lane): string {
  return `${lane} ${peer}`;
}
