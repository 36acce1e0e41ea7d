import assert from 'node:assert/strict';
import { join } from 'node:path';
import { blockBytes } from './block.ts';
import type { FileSystem, LogFile } from './file-system.ts';
import { encodeGroup, groupBytes, nextChain } from './group.ts';
import { LogError } from './log-error.ts';
import { baseOf, type LogPosition, lastOf } from './log-position.ts';
import type { LogBase, LogBatch } from './log-store.ts';
import { batchBytes, encodeBatches, encodeRemoval, encodeSegmentEnd } from './record.ts';
import type { Recovery } from './recovery.ts';
import type { SegmentExtents } from './segment-extents.ts';
import { encodeSegmentHeader, headerChain } from './segment-header.ts';
import { segmentName } from './segment-name.ts';
import type { ChainPosition } from './segment-scan.ts';
import type { SegmentSupply } from './segment-supply.ts';

export interface SegmentChainOptions {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly supply: SegmentSupply;
  readonly segmentBytes: number;
  readonly diskId: string;
}

interface ActiveSegment {
  readonly number: number;
  readonly file: LogFile;
  readonly bytes: number;
  offset: number;
}

/** Segments that were given up. */
export interface GivenUp {
  /** Newest first. */
  readonly numbers: readonly number[];
  /** Where the log begins now. */
  readonly base: LogBase;
}

/**
 * Blocks at the end of a segment that are not free for batches: one for the end record, and one to give up older
 * segments. The latter must be possible when the disk is full and no further segment can be had.
 */
const endBytes = 2 * blockBytes;

/**
 * The writing end of the log. One call at a time; after a call has rejected, none may follow: what is on disk is
 * unknown from then on.
 */
export class SegmentChain {
  readonly #options: SegmentChainOptions;
  #active: ActiveSegment;
  #end: ChainPosition;
  readonly #extents: SegmentExtents;
  #baseSegment: number;

  private constructor(
    options: SegmentChainOptions,
    { image }: Recovery,
    started: { readonly segment: ActiveSegment; readonly end: ChainPosition },
  ) {
    this.#options = options;
    this.#active = started.segment;
    this.#end = started.end;
    this.#extents = image.extents;
    this.#baseSegment = image.baseSegment;
  }

  /** Continues behind what was recovered (and repaired). `position` is the log's own there. */
  static async open(
    options: SegmentChainOptions,
    recovery: Recovery,
    position: LogPosition,
  ): Promise<SegmentChain> {
    const { active, spare, image } = recovery;
    const end = active?.scan.end ?? { sequence: 1, chain: 0 };
    if (active === null || active.scan.nextSegmentBytes !== null) {
      const number = active === null ? (spare?.number ?? 1) : active.number + 1;
      const bytes = await options.supply.take(number, 0);
      if (bytes === null) throw noRoomToOpen(options);
      const prepared = { number, bytes, baseSegment: image.baseSegment };
      const started = await startSegment(options, prepared, end, position);
      image.extents.begin(number, lastOf(position));
      return new SegmentChain(options, recovery, started);
    }
    const file = await options.fileSystem.open(join(options.directory, segmentName(active.number)));
    const { segmentBytes: bytes, endOffset: offset } = active.scan;
    const segment = { number: active.number, file, bytes, offset };
    return new SegmentChain(options, recovery, { segment, end });
  }

  /** What batches may still use of the current segment. */
  get bytesLeft(): number {
    return this.#active.bytes - endBytes - this.#active.offset;
  }

  /**
   * Writes these batches as one group and makes it durable. `position` is the log's own before it. False when there is
   * no room for the segment that it needs: then nothing was written, and the call may be repeated.
   */
  async write(batches: readonly LogBatch[], position: LogPosition): Promise<boolean> {
    const payload = encodeBatches(batches, sumOf(batches));
    const bytes = groupBytes(payload.length);
    while (bytes > this.bytesLeft) {
      if (!(await this.#rotate(bytes, position))) return false;
    }
    await this.#writeGroup(payload);
    for (const batch of batches) this.#note(batch);
    this.prepareAhead();
    return true;
  }

  /** Early enough to be ready in time, late enough that a quiet member does not hold two empty files. */
  prepareAhead(): void {
    if (this.#active.offset * 2 > this.#active.bytes) this.#options.supply.begin(this.#active.number + 1);
  }

  /** False: `giveUp` has to wait for the next segment. */
  get canGiveUp(): boolean {
    return this.#active.offset + endBytes <= this.#active.bytes;
  }

  /**
   * Gives up the segments that hold nothing above `index`, durably; their files may then be deleted. Null when there are
   * none. `position` is the log's own.
   */
  async giveUp(index: number, position: LogPosition): Promise<GivenUp | null> {
    const first = this.#extents.firstNeeded(index);
    if (first.number <= this.#baseSegment) return null;
    const base = first.base ?? baseOf(position);
    await this.#writeGroup(encodeRemoval(first.number, base));
    this.#baseSegment = first.number;
    return { numbers: this.#extents.removeBelow(first.number), base };
  }

  async close(): Promise<void> {
    await this.#active.file.close();
  }

  /**
   * Strictly in this order, each durable before the next: the next segment prepared; the end record here, which tells its
   * size; its header there. So every state a crash can leave says by itself whether a file is missing.
   */
  async #rotate(bytes: number, position: LogPosition): Promise<boolean> {
    const { supply } = this.#options;
    const number = this.#active.number + 1;
    const nextBytes = await supply.take(number, blockBytes + bytes + endBytes);
    if (nextBytes === null) return false;
    await this.#writeGroup(encodeSegmentEnd(nextBytes));
    await this.#active.file.close();
    const prepared = { number, bytes: nextBytes, baseSegment: this.#baseSegment };
    const next = await startSegment(this.#options, prepared, this.#end, position);
    this.#active = next.segment;
    this.#end = next.end;
    this.#extents.begin(number, lastOf(position));
    return true;
  }

  #note({ snapshot, truncateFrom }: LogBatch): void {
    if (snapshot) this.#extents.reset();
    if (truncateFrom !== null) this.#extents.truncate(truncateFrom);
  }

  async #writeGroup(payload: Buffer): Promise<void> {
    const { sequence, chain } = this.#end;
    const bytes = encodeGroup(payload, sequence, chain);
    const active = this.#active;
    assert(active.offset + bytes.length <= active.bytes, 'a group must fit into its segment');
    await active.file.write(bytes, active.offset);
    await active.file.syncData();
    active.offset += bytes.length;
    this.#end = { sequence: sequence + 1, chain: nextChain(payload, chain) };
  }
}

function sumOf(batches: readonly LogBatch[]): number {
  return batches.reduce((sum, batch) => sum + batchBytes(batch), 0);
}

function noRoomToOpen({ directory, segmentBytes }: SegmentChainOptions): LogError {
  return new LogError(
    'disk_full',
    `The disk is full: there is no room for a log segment of ${segmentBytes} bytes in "${directory}". Free space on ` +
      'the volume, then start this member again.',
  );
}

async function startSegment(
  options: SegmentChainOptions,
  prepared: { readonly number: number; readonly bytes: number; readonly baseSegment: number },
  end: ChainPosition,
  position: LogPosition,
): Promise<{ segment: ActiveSegment; end: ChainPosition }> {
  const { number, bytes, baseSegment } = prepared;
  const header = encodeSegmentHeader({
    number,
    diskId: options.diskId,
    before: lastOf(position),
    sequence: end.sequence,
    segmentBytes: bytes,
    baseSegment,
    chain: end.chain,
    hardState: position.hardState,
  });
  const file = await options.fileSystem.open(join(options.directory, segmentName(number)));
  try {
    await file.write(header, 0);
    await file.syncData();
  } catch (error) {
    await file.close();
    throw error;
  }
  const segment = { number, file, bytes, offset: blockBytes };
  return { segment, end: { sequence: end.sequence, chain: headerChain(header) } };
}
