import assert from 'node:assert/strict';
import { join } from 'node:path';
import { blockBytes } from './block.ts';
import type { FileSystem, LogFile } from './file-system.ts';
import { encodeGroup, groupBytes, nextChain } from './group.ts';
import type { LogPosition } from './log-position.ts';
import { encodeSegmentEnd } from './record.ts';
import type { Recovery } from './recovery.ts';
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

/** Blocks of a segment that are not free for groups: the header and the end record. */
const reservedBytes = 2 * blockBytes;

/**
 * The writing end of the log. One call at a time; after a call has rejected, none may follow: what is on disk is
 * unknown from then on.
 */
export class SegmentChain {
  readonly #options: SegmentChainOptions;
  #active: ActiveSegment;
  #end: ChainPosition;

  private constructor(options: SegmentChainOptions, active: ActiveSegment, end: ChainPosition) {
    this.#options = options;
    this.#active = active;
    this.#end = end;
  }

  /** Continues behind what was recovered (and repaired). `position` is the log's own there. */
  static async open(
    options: SegmentChainOptions,
    recovery: Recovery,
    position: LogPosition,
  ): Promise<SegmentChain> {
    const { active, spare } = recovery;
    const end = active?.scan.end ?? { sequence: 1, chain: 0 };
    if (active === null || active.scan.nextSegmentBytes !== null) {
      const number = active === null ? (spare?.number ?? 1) : active.number + 1;
      const bytes = await options.supply.take(number, 0);
      const next = await startSegment(options, { number, bytes }, end, position);
      return new SegmentChain(options, next.segment, next.end);
    }
    const file = await options.fileSystem.open(join(options.directory, segmentName(active.number)));
    const { segmentBytes: bytes, endOffset: offset } = active.scan;
    return new SegmentChain(options, { number: active.number, file, bytes, offset }, end);
  }

  /** Writes one group and makes it durable. `position` is the log's own before this group. */
  async write(payload: Buffer, position: LogPosition): Promise<void> {
    const bytes = groupBytes(payload.length);
    while (this.#active.offset + bytes + blockBytes > this.#active.bytes) await this.#rotate(bytes, position);
    await this.#writeGroup(payload);
    // Early enough to be ready in time, late enough that a quiet member does not hold two empty files.
    if (this.#active.offset * 2 > this.#active.bytes) this.#options.supply.begin(this.#active.number + 1);
  }

  async close(): Promise<void> {
    await this.#active.file.close();
  }

  /**
   * Strictly in this order, each durable before the next: the next segment prepared; the end record here, which tells its
   * size; its header there. So every state a crash can leave says by itself whether a file is missing.
   */
  async #rotate(bytes: number, position: LogPosition): Promise<void> {
    const { supply } = this.#options;
    const number = this.#active.number + 1;
    const nextBytes = await supply.take(number, bytes + reservedBytes);
    await this.#writeGroup(encodeSegmentEnd(nextBytes));
    await this.#active.file.close();
    const next = await startSegment(this.#options, { number, bytes: nextBytes }, this.#end, position);
    this.#active = next.segment;
    this.#end = next.end;
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

async function startSegment(
  options: SegmentChainOptions,
  prepared: { readonly number: number; readonly bytes: number },
  end: ChainPosition,
  position: LogPosition,
): Promise<{ segment: ActiveSegment; end: ChainPosition }> {
  const { number, bytes } = prepared;
  const header = encodeSegmentHeader({
    number,
    diskId: options.diskId,
    firstIndex: position.lastIndex + 1,
    sequence: end.sequence,
    segmentBytes: bytes,
    baseSegment: 1,
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
