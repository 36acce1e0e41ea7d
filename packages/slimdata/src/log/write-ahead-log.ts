import assert from 'node:assert/strict';
import type { Logger } from '../logger.ts';
import { blockBytes } from './block.ts';
import type { DirectoryLock, FileSystem } from './file-system.ts';
import { LogError, storageFailure } from './log-error.ts';
import { advanceLogPosition, type LogPosition } from './log-position.ts';
import type { LogBatch, LogStore, RecoveredLog } from './log-store.ts';
import { batchBytes, encodeBatches } from './record.ts';
import { readSegments, repairSegments } from './recovery.ts';
import { SegmentChain } from './segment-chain.ts';
import { SegmentSupply } from './segment-supply.ts';

export interface WriteAheadLogOptions {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
  readonly randomBytes: (size: number) => Buffer;
  /** Called at most once: nothing is acknowledged any more, and the process must end. */
  readonly onFatal: (error: Error) => void;
  /** Size of a segment file; a multiple of 512, at least 2048. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Longest that batches may queue for the disk before the member gives up (`overloaded`). Default 256 MiB. */
  readonly queueBytesMax?: number;
}

/** Largest batch that can be written; a segment of its own size is made where it exceeds `segmentBytes`. */
export const batchBytesMax = 32 * 1024 * 1024;

const segmentBytesDefault = 64 * 1024 * 1024;
const segmentBytesMin = 4 * blockBytes;
const queueBytesMaxDefault = 256 * 1024 * 1024;
/** A group takes further batches up to here, so that one write stays short however much is queued. */
const groupBytesMax = 4 * 1024 * 1024;

/**
 * Opens the log in `directory`, which it makes and formats when there is none. Throws `LogError`: `locked`, `corrupt`,
 * `unknown_version`, `foreign_disk`, `disk_full`, `io`. What is returned as recovered is durable.
 */
export async function openWriteAheadLog(
  options: WriteAheadLogOptions,
): Promise<{ log: LogStore & AsyncDisposable; recovered: RecoveredLog }> {
  const segmentBytes = options.segmentBytes ?? segmentBytesDefault;
  assert(
    segmentBytes >= segmentBytesMin && segmentBytes % blockBytes === 0,
    `bad segment size ${segmentBytes}`,
  );
  let lock: DirectoryLock | null = null;
  try {
    await options.fileSystem.makeDirectory(options.directory);
    lock = await options.fileSystem.lock(options.directory);
    return await openLocked(options, segmentBytes, lock);
  } catch (error) {
    await lock?.close();
    throw storageFailure(error, `Opening the log in "${options.directory}"`);
  }
}

async function openLocked(options: WriteAheadLogOptions, segmentBytes: number, lock: DirectoryLock) {
  const recovery = await readSegments(options);
  await repairSegments(options, recovery);
  const { image, active, spare } = recovery;
  const diskId = image.diskId ?? options.randomBytes(16).toString('hex');
  const position = { lastIndex: image.lastIndex, hardState: image.hardState };
  // The size of a spare is free only until an end record has told it.
  const isSpareUsable =
    spare !== null && (active?.scan.nextSegmentBytes ?? segmentBytes) === spare.scan.segmentBytes;
  const ready = isSpareUsable ? { number: spare.number, bytes: spare.scan.segmentBytes } : null;
  const supply = new SegmentSupply({ ...options, segmentBytes }, ready);
  const chain = await SegmentChain.open({ ...options, segmentBytes, supply, diskId }, recovery, position);
  const log = new WriteAheadLog({ ...options, segmentBytes }, { lock, supply, chain }, position);
  return { log, recovered: { hardState: image.hardState, entries: image.entries, diskId } };
}

interface Resources {
  readonly lock: DirectoryLock;
  readonly supply: SegmentSupply;
  readonly chain: SegmentChain;
}

interface QueuedBatch {
  readonly batch: LogBatch;
  readonly bytes: number;
  /** Where the log stands behind it. */
  readonly position: LogPosition;
  readonly onDurable: () => void;
}

class WriteAheadLog implements LogStore, AsyncDisposable {
  readonly #options: WriteAheadLogOptions & { readonly segmentBytes: number };
  readonly #resources: Resources;
  #queue: QueuedBatch[] = [];
  #queueBytes = 0;
  /** Behind everything queued. */
  #queuedPosition: LogPosition;
  /** Behind everything durable. */
  #durablePosition: LogPosition;
  #draining: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  #hasFailed = false;
  #hasWritten = false;

  constructor(
    options: WriteAheadLogOptions & { readonly segmentBytes: number },
    resources: Resources,
    position: LogPosition,
  ) {
    this.#options = options;
    this.#resources = resources;
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
    this.#queuedPosition = advanceLogPosition(this.#queuedPosition, batch);
    this.#queue.push({ batch, bytes, position: this.#queuedPosition, onDurable });
    this.#queueBytes += bytes;
    if (this.#queueBytes > (this.#options.queueBytesMax ?? queueBytesMaxDefault)) {
      this.#fail(overloadedError(this.#queueBytes));
      return;
    }
    // One turn of the event loop gathers what belongs together, without a timer.
    this.#draining ??= new Promise((resolve) => setImmediate(() => resolve(this.#drain())));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Group commit: whatever was queued while a group was being made durable becomes the next group. Never rejects. */
  async #drain(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const group = this.#takeGroup();
        const batches = group.map((queued) => queued.batch);
        await this.#write(batches);
        this.#durablePosition = group.at(-1)?.position ?? this.#durablePosition;
        for (const queued of group) {
          if (this.#hasFailed) break;
          queued.onDurable();
        }
      }
    } catch (error) {
      // Also what a callback threw: it has broken an invariant, and those behind it were not told.
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#draining = null;
    }
  }

  async #write(batches: readonly LogBatch[]): Promise<void> {
    let bytes = 0;
    for (const batch of batches) bytes += batchBytes(batch);
    try {
      await this.#resources.chain.write(encodeBatches(batches, bytes), this.#durablePosition);
    } catch (error) {
      throw storageFailure(error, `Writing the log in "${this.#options.directory}"`);
    }
    this.#hasWritten = true;
  }

  /** At least one batch; more while they fit. */
  #takeGroup(): QueuedBatch[] {
    const limit = Math.min(groupBytesMax, this.#options.segmentBytes / 4);
    let bytes = 0;
    let count = 0;
    for (const queued of this.#queue) {
      if (count > 0 && bytes + queued.bytes > limit) break;
      bytes += queued.bytes;
      count += 1;
    }
    const group = this.#queue.splice(0, count);
    this.#queueBytes -= bytes;
    return group;
  }

  #fail(error: Error): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#queue = [];
    this.#queueBytes = 0;
    this.#options.onFatal(error);
  }

  async #close(): Promise<void> {
    while (this.#draining !== null) await this.#draining;
    if (this.#hasWritten && !this.#hasFailed) await this.#witness();
    await this.#resources.supply.stop();
    try {
      await this.#resources.chain.close();
    } finally {
      await this.#resources.lock.close();
    }
  }

  /**
   * A last group that says nothing new. Its being there proves that all before it was acknowledged, so that damage to
   * what was the newest group cannot pass for a torn write at the next start.
   */
  async #witness(): Promise<void> {
    try {
      await this.#write([{ hardState: this.#durablePosition.hardState, truncateFrom: null, entries: [] }]);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

function overloadedError(bytes: number): LogError {
  return new LogError(
    'overloaded',
    `${bytes} bytes wait for the disk, which has not kept up. This member stops so that the others go on without it. ` +
      'Look for a stalled or slow volume.',
  );
}
