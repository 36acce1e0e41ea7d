import assert from 'node:assert/strict';
import type { Logger } from '../logger.ts';
import type { MemberName } from '../raft/types.ts';
import type { Admit } from './admission.ts';
import type { TlsMaterial } from './certificate.ts';
import { DialedStream } from './dialed-stream.ts';
import { type Handshake, type Identity, isHandshakeName } from './handshake.ts';
import type { Lane } from './lane.ts';
import type { TransportLimits } from './limits.ts';
import { SentSnapshot } from './sent-snapshot.ts';
import { SnapshotError, type SnapshotResult, type SnapshotSource } from './snapshot.ts';
import { createCounters, type PeerCounters } from './statistics.ts';
import type { Timers } from './timers.ts';

/** Where a peer is reached, e.g. `http://slimfaas-1.slimfaas:3262`; a function is asked at every dial. */
export interface PeerAddress {
  readonly name: MemberName;
  /** `https:` exactly when this member has TLS material. */
  readonly url: string | (() => string);
}

export interface PeerOptions {
  readonly identity: Identity;
  readonly tls: TlsMaterial | null;
  readonly admit: Admit;
  readonly limits: TransportLimits;
  readonly timers: Timers;
  readonly random: () => number;
  readonly logger: Logger;
  readonly onMet: (handshake: Handshake) => void;
  readonly onRefused: (peer: MemberName, status: number, detail: string) => void;
  readonly onLoss: (peer: MemberName) => void;
}

/** All that this member says to one peer: two lanes, dialed at once, and at most one snapshot. */
export class Peer {
  readonly address: PeerAddress;
  readonly counters: PeerCounters = createCounters();
  readonly streams: Readonly<Record<Lane, DialedStream>>;
  private readonly options: PeerOptions;
  private snapshot: SentSnapshot | null = null;

  constructor(address: PeerAddress, options: PeerOptions) {
    const { name, url } = address;
    const { member } = options.identity;
    assert(isHandshakeName(name) && name !== member, `member "${member}" cannot have a peer named "${name}"`);
    const scheme = options.tls === null ? 'http:' : 'https:';
    const isUsable = typeof url !== 'string' || (URL.canParse(url) && new URL(url).protocol === scheme);
    assert(isUsable, `the address "${url}" of peer "${name}" is not like "${scheme}//host:3262"`);
    this.address = address;
    this.options = options;
    this.streams = { bulk: this.createStream('bulk'), control: this.createStream('control') };
  }

  check(): void {
    for (const stream of Object.values(this.streams)) {
      stream.check();
    }
    this.snapshot?.check();
  }

  flush(): void {
    for (const stream of Object.values(this.streams)) {
      stream.flush();
    }
  }

  close(reason: string): void {
    for (const stream of Object.values(this.streams)) {
      stream.close();
    }
    this.snapshot?.abort(reason);
  }

  /** @see HttpTransport.sendSnapshot */
  async sendSnapshot(source: SnapshotSource, signal: AbortSignal): Promise<SnapshotResult> {
    const { name, url } = this.address;
    const { identity, tls, admit, limits } = this.options;
    if (this.snapshot !== null) {
      throw new SnapshotError('busy', `A snapshot is on its way to "${name}" already.`);
    }
    const sent = new SentSnapshot({
      target: {
        identity,
        peer: name,
        tls,
        admit,
        stream: 'snapshot',
        url: typeof url === 'string' ? url : url(),
      },
      source,
      limits,
      onChunk: (length) => {
        this.counters.snapshotBytesSent += length;
      },
    });
    const onAbort = () => sent.abort(`the caller gave up: ${String(signal.reason)}`);
    this.snapshot = sent;
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await sent.result();
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.snapshot = null;
    }
  }

  private createStream(lane: Lane): DialedStream {
    const { address, counters, options } = this;
    const { identity, tls, admit, limits, timers, random, logger, onMet } = options;
    const { name, url } = address;
    return new DialedStream({
      identity,
      peer: name,
      url,
      tls,
      lane,
      admit,
      limits,
      timers,
      random,
      logger,
      counters,
      onMet,
      onRefused: (status, detail) => options.onRefused(name, status, detail),
      onLoss: () => options.onLoss(name),
    });
  }
}
