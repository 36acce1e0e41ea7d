import assert from 'node:assert/strict';
import type { Logger } from '../logger.ts';
import type { MemberName } from '../raft/types.ts';
import { encodeMessage, FRAME_HEAD_BYTES } from './codec.ts';
import { DialedStream } from './dialed-stream.ts';
import { type Identity, isHandshakeName } from './handshake.ts';
import { LANES, type Lane, laneOf } from './lane.ts';
import { defaultLimits, type TransportLimits } from './limits.ts';
import { openListener, type PeerListener } from './peer-listener.ts';
import type { PeerMessage, Transport, TransportEvents } from './peer-message.ts';
import { createCounters, type PeerCounters, type TransportStatistics } from './statistics.ts';
import { systemTimers, type Timers } from './timers.ts';

/** Where a peer is reached, e.g. `http://slimfaas-1.slimfaas:3262`; a function is asked at every dial. */
interface PeerAddress {
  readonly name: MemberName;
  readonly url: string | (() => string);
}

export interface HttpTransportOptions extends Identity {
  /** The other members. */
  readonly peers: readonly PeerAddress[];
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly events: TransportEvents;
  readonly logger: Logger;
  /** In [0, 1); spreads redials. */
  readonly random: () => number;
  readonly timers?: Timers;
  readonly limits?: Partial<TransportLimits>;
}

/** The transport over HTTP. Losses are reported outside of `send`, at most once per peer and event-loop turn. */
export interface HttpTransport extends Transport, AsyncDisposable {
  /** As bound. */
  readonly port: number;
  /** Replaces the list of peers: new ones are dialed, streams from and to removed ones end. */
  setPeers(peers: readonly PeerAddress[]): void;
  statistics(): TransportStatistics;
}

/**
 * Listens on the port and dials every peer. Messages flow as soon as both sides know each other.
 * @throws the system's error (`EADDRINUSE`, ...) when the port cannot be bound.
 */
export async function openHttpTransport(options: HttpTransportOptions): Promise<HttpTransport> {
  const transport = new PeerTransport(options);
  await transport.listen();
  return transport;
}

interface Peer {
  readonly address: PeerAddress;
  readonly counters: PeerCounters;
  readonly streams: Readonly<Record<Lane, DialedStream>>;
}

class PeerTransport implements HttpTransport {
  private readonly options: HttpTransportOptions;
  private readonly limits: TransportLimits;
  private readonly timers: Timers;
  private readonly peers = new Map<MemberName, Peer>();
  private readonly losses = new Set<MemberName>();
  private listener: PeerListener | null = null;
  private cancelChecks: () => void = () => undefined;
  private closing: Promise<void> | null = null;

  constructor(options: HttpTransportOptions) {
    assert(isHandshakeName(options.member), `member name "${options.member}" cannot stand in a header`);
    assert(isHandshakeName(options.clusterId), `cluster id "${options.clusterId}" cannot stand in a header`);
    assert(isHandshakeName(options.diskId), `disk id "${options.diskId}" cannot stand in a header`);
    assert(options.clusterSecret !== '', 'an empty cluster secret proves nothing: give one, or null');
    this.options = options;
    this.limits = { ...defaultLimits, ...options.limits };
    this.timers = options.timers ?? systemTimers;
  }

  get port(): number {
    assert(this.listener !== null, 'the transport is open');
    return this.listener.port;
  }

  async listen(): Promise<void> {
    const { events, host, port, logger } = this.options;
    this.listener = await openListener({
      identity: this.options,
      host,
      port,
      limits: this.limits,
      logger,
      countersOf: (peer) => this.peers.get(peer)?.counters ?? null,
      onMessage: (from, message) => events.onMessage(from, message),
    });
    this.setPeers(this.options.peers);
    this.cancelChecks = this.timers.every(this.limits.checkIntervalMs, () => this.check());
  }

  send(to: MemberName, message: PeerMessage): void {
    if (this.closing !== null) {
      return;
    }
    const peer = this.peers.get(to);
    if (peer === undefined) {
      this.lose(to);
      return;
    }
    const frame = encodeMessage(message);
    const bodyBytes = frame.length - FRAME_HEAD_BYTES;
    if (bodyBytes > this.limits.frameBytesMax) {
      const facts = { peer: to, message: message.type, bodyBytes, bytesMax: this.limits.frameBytesMax };
      this.options.logger.error(facts, 'peer_message_too_large');
      peer.counters.framesDropped += 1;
      this.lose(to);
      return;
    }
    peer.streams[laneOf(message)].send(frame);
  }

  setPeers(peers: readonly PeerAddress[]): void {
    if (this.closing !== null) {
      return;
    }
    const listed = new Map(peers.map((address) => [address.name, address]));
    for (const [name, peer] of this.peers) {
      const address = listed.get(name);
      if (address === undefined || address.url !== peer.address.url) {
        this.remove(name, peer);
      }
    }
    for (const address of listed.values()) {
      if (!this.peers.has(address.name)) {
        this.peers.set(address.name, this.createPeer(address));
      }
    }
  }

  statistics(): TransportStatistics {
    const listener = this.listener;
    const peers = [...this.peers].map(([name, { counters, streams }]) => {
      const dialed = LANES.filter((lane) => streams[lane].isConnected);
      const accepted = LANES.filter((lane) => listener?.isAccepted(name, lane) ?? false);
      return [name, { ...counters, dialed, accepted }] as const;
    });
    return { peers: Object.fromEntries(peers), refusals: listener?.refusals() ?? {} };
  }

  /** What was sent before leaves as far as sockets take it at once; then everything ends. No callback follows. */
  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async shut(): Promise<void> {
    this.cancelChecks();
    const streams = [...this.peers.values()].flatMap((peer) => Object.values(peer.streams));
    for (const stream of streams) {
      stream.flush();
    }
    this.listener?.stop();
    await new Promise((resolve) => setImmediate(resolve));
    for (const stream of streams) {
      stream.close();
    }
    await this.listener?.close();
  }

  private check(): void {
    for (const peer of this.peers.values()) {
      for (const stream of Object.values(peer.streams)) {
        stream.check();
      }
    }
    this.listener?.check();
  }

  private createPeer(address: PeerAddress): Peer {
    const { name, url } = address;
    const { member, logger, random } = this.options;
    assert(isHandshakeName(name) && name !== member, `member "${member}" cannot have a peer named "${name}"`);
    const isHttp = typeof url !== 'string' || (URL.canParse(url) && new URL(url).protocol === 'http:');
    assert(isHttp, `the address "${url}" of peer "${name}" is not like "http://host:3262"`);
    const counters = createCounters();
    const createStream = (lane: Lane) =>
      new DialedStream({
        identity: this.options,
        peer: name,
        url,
        lane,
        limits: this.limits,
        timers: this.timers,
        random,
        logger,
        counters,
        onLoss: () => this.lose(name),
      });
    return { address, counters, streams: { bulk: createStream('bulk'), control: createStream('control') } };
  }

  private remove(name: MemberName, peer: Peer): void {
    this.peers.delete(name);
    for (const stream of Object.values(peer.streams)) {
      stream.close();
    }
    this.listener?.forget(name);
  }

  /** Reports after this turn, so that the caller of `send` is never called back from within it. */
  private lose(peer: MemberName): void {
    if (this.losses.size === 0) {
      setImmediate(() => {
        const losses = [...this.losses];
        this.losses.clear();
        for (const lost of losses) {
          if (this.closing === null) {
            this.options.events.onUnreachable(lost);
          }
        }
      });
    }
    this.losses.add(peer);
  }
}
