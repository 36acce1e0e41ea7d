import assert from 'node:assert/strict';
import type { Logger } from '../logger.ts';
import type { MemberName } from '../raft/types.ts';
import { type Admit, createDefaultAdmission } from './admission.ts';
import type { TlsMaterial } from './certificate.ts';
import { encodeMessage, FRAME_HEAD_BYTES } from './codec.ts';
import { type Handshake, type Identity, isHandshakeName } from './handshake.ts';
import { LANES, laneOf } from './lane.ts';
import { defaultLimits, type TransportLimits } from './limits.ts';
import { Peer, type PeerAddress } from './peer.ts';
import { type AnswerOther, openListener, type PeerListener } from './peer-listener.ts';
import type { PeerMessage, Transport, TransportEvents } from './peer-message.ts';
import { SnapshotError, type SnapshotResult, type SnapshotSource } from './snapshot.ts';
import type { TransportStatistics } from './statistics.ts';
import { systemTimers, type Timers } from './timers.ts';

export interface HttpTransportOptions extends Identity {
  /** The other members. */
  readonly peers: readonly PeerAddress[];
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly events: TransportEvents;
  /** Null or absent = plain HTTP. Otherwise all members speak HTTPS and show certificates, besides any secret. */
  readonly tls?: TlsMaterial | null;
  /** Absent = peers that have joined this member's cluster, and nobody while it has joined none. */
  readonly admit?: Admit;
  /** Answers what is asked on this port besides streams. */
  readonly answerOther?: AnswerOther;
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
  /** This member, so far without a cluster, has joined one: handshakes from now on say so. Open streams stay. */
  setClusterId(clusterId: string): void;
  /**
   * Streams a snapshot to a peer, from the chunk that it asks for, and resolves with its answer. Tried once; one at
   * a time per peer.
   * @throws SnapshotError, or what the source throws
   */
  sendSnapshot(to: MemberName, source: SnapshotSource, signal: AbortSignal): Promise<SnapshotResult>;
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

class PeerTransport implements HttpTransport {
  private readonly options: HttpTransportOptions;
  private readonly identity: { -readonly [K in keyof Identity]: Identity[K] };
  private readonly tls: TlsMaterial | null;
  private readonly admit: Admit;
  private readonly limits: TransportLimits;
  private readonly timers: Timers;
  private readonly peers = new Map<MemberName, Peer>();
  private readonly losses = new Set<MemberName>();
  private listener: PeerListener | null = null;
  private cancelChecks: () => void = () => undefined;
  private closing: Promise<void> | null = null;

  constructor(options: HttpTransportOptions) {
    assert(isHandshakeName(options.member), `member name "${options.member}" cannot stand in a header`);
    assertClusterId(options.clusterId === '' ? 'none' : options.clusterId);
    assert(isHandshakeName(options.diskId), `disk id "${options.diskId}" cannot stand in a header`);
    assert(options.clusterSecret !== '', 'an empty cluster secret proves nothing: give one, or null');
    const { member, clusterId, diskId, clusterSecret } = options;
    this.options = options;
    this.identity = { member, clusterId, diskId, clusterSecret };
    this.tls = options.tls ?? null;
    this.admit = options.admit ?? createDefaultAdmission(member, () => this.identity.clusterId);
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
      identity: this.identity,
      host,
      port,
      tls: this.tls,
      admit: this.admit,
      limits: this.limits,
      logger,
      countersOf: (peer) => this.peers.get(peer)?.counters ?? null,
      onMet: (handshake) => this.meet(handshake),
      onMessage: (from, message) => events.onMessage(from, message),
      onSnapshot: events.onSnapshot?.bind(events),
      answerOther: this.options.answerOther ?? null,
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

  setClusterId(clusterId: string): void {
    const { member, clusterId: present } = this.identity;
    assertClusterId(clusterId);
    assert(present === '' || present === clusterId, `"${member}" belongs to cluster "${present}" for good`);
    this.identity.clusterId = clusterId;
  }

  async sendSnapshot(to: MemberName, source: SnapshotSource, signal: AbortSignal): Promise<SnapshotResult> {
    const peer = this.peers.get(to);
    if (this.closing !== null || signal.aborted) {
      throw new SnapshotError('aborted', `The snapshot for "${to}" was not sent.`, { cause: signal.reason });
    }
    if (peer === undefined) {
      throw new SnapshotError('unreachable', `"${to}" is no peer of "${this.identity.member}".`);
    }
    return await peer.sendSnapshot(source, signal);
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
    const peers = [...this.peers.values()];
    for (const peer of peers) {
      peer.flush();
    }
    this.listener?.stop();
    await new Promise((resolve) => setImmediate(resolve));
    for (const peer of peers) {
      peer.close('this member closes');
    }
    await this.listener?.close();
  }

  private check(): void {
    for (const peer of this.peers.values()) {
      peer.check();
    }
    this.listener?.check();
  }

  private createPeer(address: PeerAddress): Peer {
    const { identity, tls, admit, limits, timers } = this;
    const { logger, random, events } = this.options;
    return new Peer(address, {
      identity,
      tls,
      admit,
      limits,
      timers,
      random,
      logger,
      onMet: (handshake) => this.meet(handshake),
      onRefused: (peer, status, detail) => {
        if (this.closing === null) {
          events.onRefused?.(peer, status, detail);
        }
      },
      onLoss: (peer) => this.lose(peer),
    });
  }

  private remove(name: MemberName, peer: Peer): void {
    this.peers.delete(name);
    peer.close('the peer was removed');
    this.listener?.forget(name);
  }

  /** Tells of the other side of a stream, whichever side dialed. */
  private meet({ from, fromDisk, fromCluster, to, toDisk, toCluster }: Handshake): void {
    if (this.closing === null) {
      const peer =
        from === this.identity.member
          ? { name: to, diskId: toDisk, clusterId: toCluster }
          : { name: from, diskId: fromDisk, clusterId: fromCluster };
      this.options.events.onMet?.(peer);
    }
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

function assertClusterId(clusterId: string): void {
  assert(isHandshakeName(clusterId), `cluster id "${clusterId}" cannot stand in a header`);
}
