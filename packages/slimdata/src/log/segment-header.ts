import type { HardState } from '../raft/types.ts';
import { blockBytes, blockChecksum, finishBlock, inspectBlock } from './block.ts';
import { corruptLog, type LogPlace, unknownLogVersion } from './log-error.ts';
import type { LogBase } from './log-store.ts';
import { readBase, readHardState, writeBase, writeHardState } from './record.ts';

/** First block of a segment; in one block, so a crash leaves all of it or nothing. */
export interface SegmentHeader {
  readonly number: number;
  /** Hex, 32 digits. */
  readonly diskId: string;
  /** The last entry before this segment: what the log begins behind once the segments before it are removed. */
  readonly before: LogBase;
  /** Sequence of the first group in this segment. */
  readonly sequence: number;
  readonly segmentBytes: number;
  /** Lowest segment that belonged to the log when this one was started; those below were removed. */
  readonly baseSegment: number;
  /** Chain at the end of the segment before; 0 in the first ever. */
  readonly chain: number;
  /** As of the start of this segment, so that segments before it can be removed without losing a vote. */
  readonly hardState: HardState;
}

const magic = Buffer.from('SLIMDATA', 'latin1');
const formatVersion = 2;
const hardStateOffset = 64;

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const block = Buffer.alloc(blockBytes);
  magic.copy(block);
  block.writeUInt32LE(formatVersion, 8);
  block.writeUInt32LE(header.number, 12);
  block.write(header.diskId, 16, 'hex');
  writeBase(block, 32, header.before);
  block.writeUIntLE(header.sequence, 44, 6);
  block.writeUIntLE(header.segmentBytes, 50, 6);
  block.writeUInt32LE(header.baseSegment, 56);
  block.writeUInt32LE(header.chain, 60);
  writeHardState(block, hardStateOffset, header.hardState);
  finishBlock(block, 0);
  return block;
}

/** Null when the segment was never started (zero, or the write of this very block was cut). */
export function parseSegmentHeader(block: Buffer, place: LogPlace): SegmentHeader | null {
  const state = inspectBlock(block, 0);
  if (state === 'zero' || state === 'cut') return null;
  const version = block.readUInt32LE(8);
  // A later format may place its checksum elsewhere, so the version speaks first.
  if (block.subarray(0, magic.length).equals(magic) && version !== formatVersion) {
    throw unknownLogVersion(
      place,
      `format version ${version} (or a damaged header; known is ${formatVersion})`,
    );
  }
  const hardState = readHardState(block, hardStateOffset);
  if (state === 'bad' || hardState === null) throw corruptLog(place, 'the segment header fails its checksum');
  return {
    number: block.readUInt32LE(12),
    diskId: block.toString('hex', 16, 32),
    before: readBase(block, 32),
    sequence: block.readUIntLE(44, 6),
    segmentBytes: block.readUIntLE(50, 6),
    baseSegment: block.readUInt32LE(56),
    chain: block.readUInt32LE(60),
    hardState,
  };
}

/** The chain behind a header: what the first group of the segment is seeded with. */
export function headerChain(block: Buffer): number {
  return blockChecksum(block);
}
