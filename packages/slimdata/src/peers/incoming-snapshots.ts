import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../logger.ts';
import type { MemberName } from '../raft/types.ts';
import { AcceptedSnapshot } from './accepted-snapshot.ts';
import type { PeerIdentity } from './admission.ts';
import type { Handshake } from './handshake.ts';
import type { TransportLimits } from './limits.ts';
import type { TransportEvents } from './peer-message.ts';
import type { Refusals } from './refusals.ts';
import { SnapshotError } from './snapshot.ts';
import type { PeerCounters } from './statistics.ts';

export interface IncomingSnapshotsOptions {
  readonly limits: TransportLimits;
  readonly logger: Logger;
  readonly refusals: Refusals;
  readonly countersOf: (peer: MemberName) => PeerCounters | null;
  readonly onMet: (handshake: Handshake) => void;
  readonly onSnapshot: TransportEvents['onSnapshot'];
}

/** The snapshots that peers send to this member, one at a time per peer: the newest trusted one. */
export class IncomingSnapshots {
  private readonly options: IncomingSnapshotsOptions;
  /** Every stream, with the promise of its end. */
  private readonly running = new Map<AcceptedSnapshot, Promise<void>>();
  private readonly current = new Map<MemberName, AcceptedSnapshot>();

  constructor(options: IncomingSnapshotsOptions) {
    this.options = options;
  }

  /** Takes over a request whose response head has been sent. */
  accept(
    request: IncomingMessage,
    response: ServerResponse,
    handshake: Handshake,
    proof: Buffer | null,
  ): void {
    const { limits, logger, countersOf, onMet, onSnapshot } = this.options;
    const { from: name, fromDisk: diskId } = handshake;
    const peer: PeerIdentity = { name, diskId };
    const stream = new AcceptedSnapshot(request, response, {
      handshake,
      proof,
      limits,
      onTrusted: async () => {
        await this.takeTurn(name, stream);
        onMet(handshake);
      },
      onOffer: async (offer) => {
        logger.info({ peer: name, disk: diskId, snapshot: offer.id }, 'peer_snapshot_offered');
        return (await onSnapshot?.(peer, offer)) ?? { refused: 'this member takes no snapshots' };
      },
      onChunk: (length) => {
        const counters = countersOf(name);
        if (counters !== null) {
          counters.snapshotBytesReceived += length;
        }
      },
      onFailed: (error) => {
        const reason = error instanceof Error ? error.message : String(error);
        logger.error({ peer: name, reason }, 'peer_snapshot_failed');
      },
    });
    // Whatever runs before the first await touches none of this.
    const done = stream.run().then(() => this.ended(name, stream));
    this.running.set(stream, done);
  }

  check(): void {
    for (const stream of this.running.keys()) {
      stream.check();
    }
  }

  /** Ends what comes from a peer that is none any more. */
  forget(peer: MemberName): void {
    this.current.get(peer)?.end('the peer was removed');
  }

  /** Ends everything; resolves when no receiver is at work any more. */
  async close(): Promise<void> {
    for (const stream of this.running.keys()) {
      stream.end('this member closes');
    }
    await Promise.all(this.running.values());
  }

  /** The newest stream is the peer's; what an older one began must have ended before. */
  private async takeTurn(peer: MemberName, stream: AcceptedSnapshot): Promise<void> {
    const older = this.current.get(peer);
    this.current.set(peer, stream);
    if (older !== undefined) {
      older.end('a newer stream of the same peer');
      await this.running.get(older);
    }
    if (stream.endReason !== null) {
      throw new SnapshotError('interrupted', stream.endReason);
    }
  }

  private ended(peer: MemberName, stream: AcceptedSnapshot): void {
    const { logger, refusals } = this.options;
    const reason = stream.endReason ?? 'it ended';
    this.running.delete(stream);
    if (this.current.get(peer) === stream) {
      this.current.delete(peer);
    }
    if (stream.isTrusted) {
      logger.info({ peer, reason }, 'peer_snapshot_ended');
    } else {
      const detail = `No proof of member "${peer}": ${reason}.`;
      refusals.add(401, { peer, stream: 'snapshot', detail });
    }
  }
}
