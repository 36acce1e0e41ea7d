import assert from 'node:assert/strict';
import { BatchQueue, type QueuedBatch } from './batch-queue.ts';
import type { DirectoryLock } from './file-system.ts';
import { LogError, storageFailure } from './log-error.ts';
import {
  advanceLogPosition,
  createLogPosition,
  type LogPosition,
  rebaseLogPosition,
} from './log-position.ts';
import { type LogSettings, logSettings, type WriteAheadLogOptions } from './log-settings.ts';
import type { LogBatch, LogSpace, LogStore, RecoveredLog } from './log-store.ts';
import { batchBytes } from './record.ts';
import { readSegments, repairSegments } from './recovery.ts';
import { SegmentChain } from './segment-chain.ts';
import { SegmentRemoval } from './segment-removal.ts';
import { SegmentSupply } from './segment-supply.ts';

/** Largest batch that can be written; a segment of its own size is made where it exceeds `segmentBytes`. */
export const batchBytesMax = 32 * 1024 * 1024;

const groupBytesMax = 4 * 1024 * 1024;

/**
 * Opens the log in `directory`, which it makes and formats when there is none. Throws `LogError`: `locked`, `corrupt`,
 * `unknown_version`, `foreign_disk`, `disk_full`, `io`. What is returned as recovered is durable.
 */
export async function openWriteAheadLog(
  options: WriteAheadLogOptions,
): Promise<{ log: LogStore & AsyncDisposable; recovered: RecoveredLog }> {
  const settings = logSettings(options);
  let lock: DirectoryLock | null = null;
  try {
    await options.fileSystem.makeDirectory(options.directory);
    lock = await options.fileSystem.lock(options.directory);
    return await openLocked(settings, lock);
  } catch (error) {
    await lock?.close();
    throw storageFailure(error, `Opening the log in "${options.directory}"`);
  }
}

async function openLocked(settings: LogSettings, lock: DirectoryLock) {
  const recovery = await readSegments(settings);
  await repairSegments(settings, recovery);
  const { image, active, spare } = recovery;
  const { base, entries, hardState } = image;
  const diskId = image.diskId ?? settings.randomBytes(16).toString('hex');
  const position = createLogPosition(image);
  // The size of a spare is free only until an end record has told it.
  const isSpareUsable =
    spare !== null && (active?.scan.nextSegmentBytes ?? settings.segmentBytes) === spare.scan.segmentBytes;
  const ready = isSpareUsable ? { number: spare.number, bytes: spare.scan.segmentBytes } : null;
  let log: WriteAheadLog | null = null;
  const supply = new SegmentSupply({ ...settings, onChange: () => log?.refresh() }, ready);
  const removal = new SegmentRemoval(settings, () => supply.hurry());
  try {
    const chain = await SegmentChain.open({ ...settings, supply, diskId }, recovery, position);
    log = new WriteAheadLog(settings, { lock, supply, removal, chain }, position);
    chain.prepareAhead();
  } catch (error) {
    await supply.stop();
    throw error;
  }
  return { log, recovered: { hardState, base, entries, diskId } };
}

interface Resources {
  readonly lock: DirectoryLock;
  readonly supply: SegmentSupply;
  readonly removal: SegmentRemoval;
  readonly chain: SegmentChain;
}

class WriteAheadLog implements LogStore, AsyncDisposable {
  readonly #settings: LogSettings;
  readonly #resources: Resources;
  readonly #queue: BatchQueue;
  /** Behind everything queued. */
  #queuedPosition: LogPosition;
  /** Behind everything durable. */
  #durablePosition: LogPosition;
  /** Highest index given to `removeBefore`. */
  #removedIndex = 0;
  /** A removal up to there is to be done. */
  #removal: number | null = null;
  /** The oldest batch waits for a segment that cannot be made. */
  #isHeld = false;
  #space: LogSpace = 'ok';
  #wake: () => void = () => {};
  #draining: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  #hasFailed = false;
  #hasWritten = false;

  constructor(settings: LogSettings, resources: Resources, position: LogPosition) {
    this.#settings = settings;
    this.#resources = resources;
    this.#queue = new BatchQueue(Math.min(groupBytesMax, settings.segmentBytes / 4));
    this.#queuedPosition = position;
    this.#durablePosition = position;
  }

  append(batch: LogBatch, onDurable: () => void): void {
    if (this.#closing !== null)
      throw new LogError('closed', 'The log is closed; nothing can be appended any more.');
    if (this.#hasFailed) return;
    const bytes = batchBytes(batch);
    if (bytes > batchBytesMax) {
      throw new LogError(
        'too_large',
        `A batch of ${bytes} bytes exceeds the ${batchBytesMax} that the log can write.`,
      );
    }
    const { truncateFrom } = batch;
    assert(
      truncateFrom === null || truncateFrom > this.#removedIndex,
      `entry ${truncateFrom} cannot be replaced: a checkpoint covers up to ${this.#removedIndex}`,
    );
    this.#queuedPosition = advanceLogPosition(this.#queuedPosition, batch);
    this.#queue.push({ batch, bytes, position: this.#queuedPosition, onDurable });
    if (this.#queue.bytes > this.#settings.queueBytesMax) {
      this.#fail(overloadedError(this.#queue.bytes, this.#space));
      return;
    }
    this.#startDraining();
  }

  removeBefore(index: number): void {
    if (this.#closing !== null || this.#hasFailed) return;
    const { lastIndex } = this.#queuedPosition;
    assert(Number.isSafeInteger(index) && index >= 0 && index <= lastIndex, `cannot remove up to ${index}`);
    this.#queue.assertKeeps(index);
    this.#removedIndex = Math.max(this.#removedIndex, index);
    this.#removal = this.#removedIndex;
    this.#wake();
    this.#startDraining();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Something about the room on the disk may have changed: reports it, and lets what is held try again. */
  refresh(): void {
    this.#reportSpace();
    this.#wake();
  }

  #reportSpace(): void {
    if (this.#hasFailed) return;
    const { supply, chain } = this.#resources;
    const isFull = supply.isShort && (this.#isHeld || chain.bytesLeft <= this.#settings.reservedBytes);
    const space = isFull ? 'full' : 'ok';
    if (space === this.#space) return;
    this.#space = space;
    const facts = { directory: this.#settings.directory, bytesLeft: chain.bytesLeft };
    if (isFull) this.#settings.logger.warn(facts, 'log_disk_full');
    else this.#settings.logger.info(facts, 'log_disk_has_room');
    try {
      this.#settings.onSpace?.(space);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** One turn of the event loop gathers what belongs together, without a timer. */
  #startDraining(): void {
    this.#draining ??= new Promise((resolve) => setImmediate(() => resolve(this.#drain())));
  }

  /** Group commit: whatever was queued while a group was being made durable becomes the next group. Never rejects. */
  async #drain(): Promise<void> {
    try {
      // What is found to be the end must be so until `#draining` is cleared: nothing may be awaited in between.
      while (!this.#hasFailed) {
        if (this.#removal !== null && this.#resources.chain.canGiveUp) await this.#giveUp(this.#removal);
        else if (this.#queue.length > 0) await this.#writeNext();
        else break;
      }
    } catch (error) {
      // Also what a callback threw: it has broken an invariant, and those behind it were not told.
      this.#fail(error);
    } finally {
      this.#draining = null;
    }
  }

  /** Writes a group, or waits until it may be possible. */
  async #writeNext(): Promise<void> {
    const group = this.#queue.nextGroup();
    const changed = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#isHeld = !(await this.#write(group.map((queued) => queued.batch)));
    this.#reportSpace();
    if (!this.#isHeld) this.#acknowledge(group);
    else if (this.#closing !== null) this.#abandon();
    else await changed;
  }

  #acknowledge(group: readonly QueuedBatch[]): void {
    this.#queue.drop(group);
    this.#durablePosition = group.at(-1)?.position ?? this.#durablePosition;
    for (const { batch, onDurable } of group) {
      if (this.#hasFailed) return;
      // What was forgotten for a snapshot is not needed; more than that may be applied already, but nobody said so.
      if (batch.snapshot) this.#removal = Math.max(this.#removal ?? 0, this.#removedIndex);
      onDurable();
    }
  }

  /** False when the disk is full. */
  async #write(batches: readonly LogBatch[]): Promise<boolean> {
    const isWritten = await this.#guarded(() => this.#resources.chain.write(batches, this.#durablePosition));
    this.#hasWritten ||= isWritten;
    return isWritten;
  }

  /** Gives up the segments that hold nothing above `index`, then deletes them in the background. */
  async #giveUp(index: number): Promise<void> {
    const { chain, removal } = this.#resources;
    this.#removal = null;
    const given = await this.#guarded(() => chain.giveUp(index, this.#durablePosition));
    if (given !== null) {
      this.#hasWritten = true;
      this.#durablePosition = rebaseLogPosition(this.#durablePosition, given.base);
      this.#queuedPosition = rebaseLogPosition(this.#queuedPosition, given.base);
    }
    removal.begin(given?.numbers ?? []);
  }

  async #guarded<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      throw storageFailure(error, `Writing the log in "${this.#settings.directory}"`);
    }
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#queue.clear();
    this.#wake();
    this.#settings.onFatal(error instanceof Error ? error : new Error(String(error)));
  }

  /** Closed while the disk is full: what waits was never acknowledged. */
  #abandon(): void {
    const { directory } = this.#settings;
    this.#settings.logger.warn({ directory, batches: this.#queue.length }, 'log_closed_while_disk_full');
    this.#queue.clear();
  }

  async #close(): Promise<void> {
    this.#wake();
    while (this.#draining !== null) await this.#draining;
    if (this.#hasWritten && !this.#hasFailed) await this.#witness();
    await this.#resources.removal.settle();
    await this.#resources.supply.stop();
    try {
      await this.#resources.chain.close();
    } finally {
      await this.#resources.lock.close();
    }
  }

  /**
   * A last group that says nothing new. Its being there proves that all before it was acknowledged, so that damage to
   * what was the newest group cannot pass for a torn write at the next start. Left out when the disk is full.
   */
  async #witness(): Promise<void> {
    try {
      await this.#write([{ hardState: this.#durablePosition.hardState, truncateFrom: null, entries: [] }]);
    } catch (error) {
      this.#fail(error);
    }
  }
}

function overloadedError(bytes: number, space: LogSpace): LogError {
  const why = space === 'full' ? 'is full' : 'has not kept up';
  const what = space === 'full' ? 'Free space on the volume.' : 'Look for a stalled or slow volume.';
  return new LogError(
    'overloaded',
    `${bytes} bytes wait for the disk, which ${why}. This member stops so that the others go on without it. ${what}`,
  );
}
