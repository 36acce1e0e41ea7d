import assert from 'node:assert/strict';
import { statfs } from 'node:fs/promises';
import type { Logger } from '../logger.ts';
import type { StateMachine } from '../state-machine/state-machine.ts';
import type { StateDelta } from '../state-machine/stored-state.ts';
import { loadState, readMeta } from './checkpoint-content.ts';
import {
  CheckpointError,
  corruptCheckpoint,
  databaseFailure,
  diskFull,
  vitalFailure,
} from './checkpoint-error.ts';
import type { CheckpointMeta, SealedMeta } from './checkpoint-meta.ts';
import {
  type CheckpointPlace,
  checkpointPlace,
  type Failpoint,
  settlePlace,
  swapIn,
} from './checkpoint-place.ts';
import { type Database, openDatabase } from './database.ts';
import { buildDeltaBatch, type DeltaBatch } from './delta-batch.ts';
import { syncDirectory } from './durable-directory.ts';
import { Slices } from './slices.ts';
import { payloadBytesMax } from './snapshot-chunk.ts';
import { LevelSnapshotReader, type SnapshotReader } from './snapshot-reader.ts';
import { LevelSnapshotReceiver, type SnapshotReceiver } from './snapshot-receiver.ts';
import { StateDigest } from './state-digest.ts';

export interface CheckpointOptions {
  /** The member's state directory, locked by its owner; `checkpoint`, `checkpoint.new` and `checkpoint.old` are in it. */
  readonly directory: string;
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Runs something later; returns what cancels it. */
  readonly after: (delayMs: number, run: () => void) => () => void;
  readonly limits?: Partial<CheckpointLimits>;
  /** Called between the steps that a crash may part; only tests hand one in. */
  readonly failpoint?: Failpoint;
}

export interface CheckpointLimits {
  /** Longest stretch of work between two turns of the event loop. */
  readonly sliceMs: number;
  /** Bytes of records in one chunk of a snapshot. */
  readonly payloadBytes: number;
  /** A snapshot that is not read for this long is no longer held. */
  readonly snapshotIdleMs: number;
  /** Snapshots held at once. */
  readonly snapshotsMax: number;
  /** What a write must leave free on the volume, for LevelDB to rearrange its files. */
  readonly freeBytesMin: number;
}

export const checkpointLimits: CheckpointLimits = {
  sliceMs: 2,
  payloadBytes: payloadBytesMax,
  snapshotIdleMs: 300_000,
  snapshotsMax: 8,
  freeBytesMin: 33_554_432,
};

const noFailpoint: Failpoint = async () => {};

/** What one write cost. */
interface WrittenCheckpoint {
  /** Records put or deleted. */
  readonly changes: number;
  /** Of keys and values. */
  readonly bytes: number;
}

/** The applied state on this member's own disk, as of one index. */
export interface Checkpoint extends AsyncDisposable {
  /** Where it stands; null when nothing was written yet. */
  readonly meta: CheckpointMeta | null;
  /** 128 bits that are equal on all members whose state at `appliedIndex` is equal, hex; null when `meta` is. */
  readonly stateDigest: string | null;
  /** The state as of `meta`, all of it verified; null when nothing was written yet. @throws CheckpointError */
  load(): Promise<StateMachine | null>;
  /**
   * Makes `delta` durable in one batch, together with where it leads and the configuration in force there. Deltas must
   * come in order, each exactly once: the first after `load` is the first freeze of the state machine it gave.
   * @throws CheckpointError `disk_full` with nothing changed: write the same delta again later. Any other is fatal.
   */
  write(delta: StateDelta, configuration: Uint8Array): Promise<WrittenCheckpoint>;
  /** Holds the checkpoint as it is now; null when nothing was written yet. @throws CheckpointError `busy` */
  openSnapshot(): Promise<SnapshotReader | null>;
  /** Begins to take a snapshot in; one begun before and not installed is given up. */
  openReceiver(): Promise<SnapshotReceiver>;
  close(): Promise<void>;
}

/**
 * Opens the checkpoint in a member's directory, or an empty one, after putting in order what a crash left.
 * @throws CheckpointError `corrupt`, `unknown_version`, `locked`, `disk_full`, `io`
 */
export async function openCheckpoint(options: CheckpointOptions): Promise<Checkpoint> {
  const place = checkpointPlace(options.directory);
  const failpoint = options.failpoint ?? noFailpoint;
  let database: Database | null = null;
  try {
    await settlePlace(place, failpoint);
    const { sliceMs } = { ...checkpointLimits, ...options.limits };
    database = await openDatabase(place.current, new Slices(sliceMs, options.now));
    await syncDirectory(place.directory);
    const meta = await readMeta(database);
    return new LevelCheckpoint(options, place, database, meta);
  } catch (error) {
    await database?.close();
    throw databaseFailure(error, place.current, 'opening checkpoint');
  }
}

class LevelCheckpoint implements Checkpoint {
  readonly #options: CheckpointOptions;
  readonly #failpoint: Failpoint;
  readonly #limits: CheckpointLimits;
  readonly #place: CheckpointPlace;
  #database: Database;
  #meta: SealedMeta | null;
  /** Why it can no longer be used. */
  #failure: CheckpointError | null = null;
  /** Settles, always well, when everything begun before has ended. */
  #idle: Promise<unknown> = Promise.resolve();
  readonly #readers = new Set<SnapshotReader>();
  #receiver: SnapshotReceiver | null = null;

  constructor(
    options: CheckpointOptions,
    place: CheckpointPlace,
    database: Database,
    meta: SealedMeta | null,
  ) {
    this.#options = options;
    this.#failpoint = options.failpoint ?? noFailpoint;
    this.#limits = { ...checkpointLimits, ...options.limits };
    assert(this.#limits.payloadBytes > 0 && this.#limits.payloadBytes <= payloadBytesMax, 'payloadBytes');
    this.#place = place;
    this.#database = database;
    this.#meta = meta;
  }

  get meta(): CheckpointMeta | null {
    return this.#meta;
  }

  get stateDigest(): string | null {
    return this.#meta?.digest.sum().toString('hex') ?? null;
  }

  load(): Promise<StateMachine | null> {
    return this.#inTurn(async () => {
      const meta = this.#meta;
      if (meta === null) return null;
      return await this.#vital('reading checkpoint', () => loadState(this.#database, meta, this.#slices()));
    });
  }

  write(delta: StateDelta, configuration: Uint8Array): Promise<WrittenCheckpoint> {
    return this.#inTurn(async () => {
      assert.equal(
        delta.baseIndex,
        this.#meta?.appliedIndex ?? 0,
        'a delta begins where the checkpoint stands',
      );
      const digest = this.#meta?.digest ?? new StateDigest();
      const built = await buildDeltaBatch(this.#database, delta, digest, configuration, this.#slices());
      await this.#failpoint('write:built');
      await this.#refuseFullDisk(built);
      await this.#vital('writing checkpoint', () => this.#commit(built));
      return { bytes: built.bytes, changes: built.changes };
    });
  }

  openSnapshot(): Promise<SnapshotReader | null> {
    return this.#inTurn(async () => (this.#meta === null ? null : this.#openReader(this.#meta)));
  }

  openReceiver(): Promise<SnapshotReceiver> {
    return this.#inTurn(async () => {
      await this.#receiver?.close();
      this.#receiver = new LevelSnapshotReceiver({
        place: this.#place,
        slices: this.#slices(),
        failpoint: this.#failpoint,
        swap: () => this.#inTurn(() => this.#vital('installing checkpoint', () => this.#swap())),
      });
      return this.#receiver;
    });
  }

  async close(): Promise<void> {
    this.#failure ??= new CheckpointError('closed', `Checkpoint "${this.#place.current}" was closed.`);
    await this.#idle;
    await this.#receiver?.close();
    await this.#closeReaders();
    await this.#database.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #openReader(meta: SealedMeta): SnapshotReader {
    const { snapshotsMax, payloadBytes, snapshotIdleMs: idleMs, sliceMs } = this.#limits;
    if (this.#readers.size >= snapshotsMax) {
      throw new CheckpointError('busy', `${snapshotsMax} snapshots are held already. Try again later.`);
    }
    const { now, after } = this.#options;
    const onClosed = () => this.#readers.delete(reader);
    const database = this.#database;
    const options = { database, meta, payloadBytes, idleMs, sliceMs, now, after, onClosed };
    const reader = new LevelSnapshotReader(options);
    this.#readers.add(reader);
    return reader;
  }

  async #commit({ batch, meta }: DeltaBatch): Promise<void> {
    await batch.write({ sync: true });
    // The name of a new log file of LevelDB is not durable until its next manifest is.
    await syncDirectory(this.#place.current);
    this.#meta = meta;
    await this.#failpoint('write:durable');
  }

  /** The sealed `checkpoint.new` becomes the checkpoint. */
  async #swap(): Promise<CheckpointMeta> {
    await this.#closeReaders();
    await this.#database.close();
    await swapIn(this.#place, this.#failpoint);
    this.#database = await openDatabase(this.#place.current, this.#slices());
    const meta = await readMeta(this.#database);
    if (meta === null) throw corruptCheckpoint(this.#place.current, 'what was installed is empty');
    this.#meta = meta;
    this.#options.logger.info({ appliedIndex: meta.appliedIndex }, 'snapshot_installed');
    return meta;
  }

  /** LevelDB writes a batch twice: at once, and again when it sorts it into files. Once it failed, it is unusable. */
  async #refuseFullDisk({ batch, bytes }: DeltaBatch): Promise<void> {
    const { bavail, bsize } = await statfs(this.#place.directory);
    const missing = 2 * bytes + this.#limits.freeBytesMin - bavail * bsize;
    if (missing <= 0) return;
    await batch.close();
    throw diskFull(this.#place.current, 'writing checkpoint', `${missing} more bytes must be free`);
  }

  async #closeReaders(): Promise<void> {
    for (const reader of [...this.#readers]) await reader.close();
  }

  #slices(): Slices {
    return new Slices(this.#limits.sliceMs, this.#options.now);
  }

  /** One thing after the other, until one made the checkpoint unusable. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#idle.then(() => {
      if (this.#failure !== null) throw this.#failure;
      return run();
    });
    this.#idle = result.catch(() => {});
    return result;
  }

  /** Something whose failure leaves it unknown what is on disk, or known that it is wrong. */
  async #vital<T>(doing: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      this.#failure = vitalFailure(error, this.#place.current, doing);
      throw this.#failure;
    }
  }
}
