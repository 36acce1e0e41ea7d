import assert from 'node:assert/strict';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { CheckpointError } from '../checkpoint/checkpoint-error.ts';
import type { CheckpointMeta } from '../checkpoint/checkpoint-meta.ts';
import type { SnapshotReceiver } from '../checkpoint/snapshot-receiver.ts';
import type { Logger } from '../logger.ts';
import type { SnapshotOffer, SnapshotResult, SnapshotSource } from '../peers/snapshot.ts';
import { decodeConfiguration } from '../raft/configuration-codec.ts';
import type { MemberName, ReceivedSnapshot, SnapshotNeeded } from '../raft/types.ts';
import type { StateMachine } from '../state-machine/state-machine.ts';

/** What the exchange needs of the replica. */
interface SnapshotTarget {
  wantsSnapshot(position: { readonly index: number; readonly term: number }): boolean;
  /** Stops applying and checkpoints; calls back once both rest. */
  pause(onPaused: () => void): void;
  resume(): void;
  restore(stateMachine: StateMachine, snapshot: ReceivedSnapshot): void;
  fail(error: Error): void;
}

export interface SnapshotExchangeOptions {
  readonly checkpoint: Checkpoint;
  readonly target: SnapshotTarget;
  readonly send: (to: MemberName, source: SnapshotSource) => Promise<SnapshotResult>;
  /** Fires when this member stops. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/**
 * Sends this member's checkpoint to peers that lag behind its log, and takes one in from a leader. A snapshot is named
 * by its content and the leader's term, `<id>@<term>`; a transfer that broke off goes on where it stopped as long as
 * both sides still hold the same one.
 */
export class SnapshotExchange {
  readonly #options: SnapshotExchangeOptions;
  readonly #underWay = new Set<Promise<unknown>>();
  #receiver: SnapshotReceiver | null = null;
  /** One snapshot is taken in after the other, whoever sends it. */
  #receiving: Promise<unknown> = Promise.resolve();

  constructor(options: SnapshotExchangeOptions) {
    this.#options = options;
  }

  /** Streams the checkpoint to a peer; `done` learns its index, or null when the peer did not get it. */
  send(needed: SnapshotNeeded, done: (index: number | null) => void): void {
    const { signal, logger } = this.#options;
    const sending = this.#send(needed).then(done, (error: unknown) => {
      if (!signal.aborted) logger.warn({ peer: needed.to, error }, 'snapshot_not_sent');
      done(null);
    });
    this.#underWay.add(sending);
    void sending.finally(() => this.#underWay.delete(sending));
  }

  /** A peer offers a snapshot. */
  receive(from: MemberName, offer: SnapshotOffer): Promise<SnapshotResult> {
    const received = this.#receiving.then(() => this.#receive(from, offer));
    this.#receiving = received.catch(() => undefined);
    return received;
  }

  /** Resolves when nothing is under way; soon, once the signal has fired. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
    await this.#receiving;
  }

  async #send({ to, leaderTerm, index }: SnapshotNeeded): Promise<number> {
    const { checkpoint, send, logger } = this.#options;
    await using reader = await checkpoint.openSnapshot();
    assert(reader !== null && reader.meta.appliedIndex >= index, `no checkpoint holds entry ${index}`);
    const { appliedIndex } = reader.meta;
    logger.info({ peer: to, appliedIndex }, 'snapshot_sending');
    const source = { id: `${reader.id}@${leaderTerm}`, open: (from: number) => reader.open(from) };
    const result = await send(to, source);
    if (result !== 'installed') throw new Error(`"${to}" refused the snapshot: ${result.refused}`);
    logger.info({ peer: to, appliedIndex }, 'snapshot_sent');
    return appliedIndex;
  }

  async #receive(from: MemberName, offer: SnapshotOffer): Promise<SnapshotResult> {
    const [id = '', term] = offer.id.split('@');
    const leaderTerm = Number(term);
    if (!Number.isSafeInteger(leaderTerm))
      return { refused: `"${offer.id}" does not name a snapshot and a term` };
    if (this.#options.signal.aborted) return stoppingRefusal;
    const meta = await this.#takeIn(id, offer);
    if (meta === null) return 'installed';
    return await this.#install(from, leaderTerm, meta);
  }

  /** Takes the chunks; null when the snapshot would bring nothing. */
  async #takeIn(id: string, offer: SnapshotOffer): Promise<CheckpointMeta | null> {
    const { checkpoint, target } = this.#options;
    const begun = this.#receiver;
    const receiver = begun?.id === id ? begun : await checkpoint.openReceiver();
    this.#receiver = receiver;
    try {
      for await (const { bytes } of offer.chunks(receiver.next)) {
        const answer = await receiver.accept(bytes);
        if (answer !== 'taken' && answer !== 'duplicate') throw new Error(`a chunk was ${answer}`);
        if (receiver.meta !== null && !target.wantsSnapshot(positionOf(receiver.meta))) {
          await this.#giveUp();
          return null;
        }
      }
    } catch (error) {
      // What came so far is kept for the next offer, unless the receiver itself is of no use any more.
      if (error instanceof CheckpointError) await this.#giveUp();
      throw error;
    }
    assert(receiver.meta !== null, 'a snapshot has a first chunk');
    return receiver.meta;
  }

  async #install(from: MemberName, leaderTerm: number, meta: CheckpointMeta): Promise<SnapshotResult> {
    const { checkpoint, target, signal, logger } = this.#options;
    const receiver = this.#receiver;
    assert(receiver !== null, 'what is installed was received');
    const paused = new Promise<void>((resolve) => target.pause(resolve));
    await Promise.race([paused, aborted(signal)]);
    try {
      // A stopped replica does not say any more that it rests.
      if (signal.aborted) return stoppingRefusal;
      if (!target.wantsSnapshot(positionOf(meta))) return 'installed';
      await receiver.install();
      const stateMachine = await checkpoint.load();
      assert(stateMachine !== null, 'what was installed can be loaded');
      const configuration = decodeConfiguration(meta.configuration);
      target.restore(stateMachine, { from, leaderTerm, ...positionOf(meta), configuration });
      logger.info({ from, appliedIndex: meta.appliedIndex }, 'snapshot_restored');
      return 'installed';
    } catch (error) {
      if (error instanceof CheckpointError && error.code === 'snapshot_invalid') throw error;
      target.fail(error instanceof Error ? error : new Error(String(error)));
      throw error;
    } finally {
      this.#receiver = null;
      await receiver.close();
      target.resume();
    }
  }

  async #giveUp(): Promise<void> {
    const receiver = this.#receiver;
    this.#receiver = null;
    await receiver?.close();
  }
}

const stoppingRefusal: SnapshotResult = { refused: 'this member is stopping' };

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function positionOf({ appliedIndex, appliedTerm }: CheckpointMeta): { index: number; term: number } {
  return { index: appliedIndex, term: appliedTerm };
}
