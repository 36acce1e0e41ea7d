import { blockBytes, inspectBlock } from './block.ts';
import type { ReadableFile } from './file-system.ts';
import {
  blockCount,
  copyBlockData,
  encodeGroup,
  groupPayloadBytes,
  nextChain,
  readBlockHead,
} from './group.ts';
import { corruptLog, type LogPlace } from './log-error.ts';
import { decodeRecords, encodedPayloadBytes, type LogChange } from './record.ts';
import {
  encodeSegmentHeader,
  headerChain,
  parseSegmentHeader,
  type SegmentHeader,
} from './segment-header.ts';

/** Bytes to write again, or to clear. */
interface SegmentWrite {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** Where the log stands between two groups. */
export interface ChainPosition {
  readonly sequence: number;
  readonly chain: number;
}

export interface SegmentScan {
  /** Null: prepared, but nothing in it counts. */
  readonly header: SegmentHeader | null;
  readonly segmentBytes: number;
  /** Where the next group goes. */
  readonly endOffset: number;
  readonly end: ChainPosition;
  /** Size of the next segment, when this one was finished. */
  readonly nextSegmentBytes: number | null;
  /** The newest write that counts. */
  readonly lastWrite: SegmentWrite | null;
  /** Remains of a write that was never acknowledged; null when there are none. */
  readonly torn: { readonly offset: number; readonly bytes: number } | null;
}

export interface SegmentScanOptions {
  readonly path: string;
  readonly file: ReadableFile;
  /** Position where the segment before ended. */
  readonly start: ChainPosition;
  /** Called for a header that is intact; throws if it does not belong here. */
  readonly onHeader: (header: SegmentHeader, place: LogPlace) => void;
  /** Called for every change in complete groups, in order; throws if it does not belong here. */
  readonly onChange: (change: LogChange, place: LogPlace) => void;
}

const sliceBytes = 512 * blockBytes;
const zeroSlice = Buffer.alloc(sliceBytes);

/**
 * Reads a whole segment, also the part behind the last group: that it is untouched is what shows that nothing is missing
 * in front of it.
 *
 * Groups are written one after the other, each only when the one before is on stable storage. So behind the last
 * complete group there may be blocks of exactly one other group, the one in flight when the process or the machine died.
 * It was never acknowledged. Its blocks must be valid (under the chain, at their place), zero, or cut. Anything else was
 * not left by a crash, and the log refuses to open: a damaged block, or a block of a later group, whose existence proves
 * that an incomplete one before it had been acknowledged.
 */
export async function scanSegment(options: SegmentScanOptions): Promise<SegmentScan> {
  const segmentBytes = await options.file.size();
  const place = { path: options.path, offset: segmentBytes };
  if (segmentBytes < 2 * blockBytes || segmentBytes % blockBytes !== 0) {
    throw corruptLog(place, `the file has ${segmentBytes} bytes, so it was cut off or overwritten`);
  }
  const scanner = new Scanner(options, segmentBytes);
  const slice = Buffer.allocUnsafe(Math.min(sliceBytes, segmentBytes));
  for (let offset = 0; offset < segmentBytes; offset += slice.length) {
    const wanted = slice.subarray(0, Math.min(slice.length, segmentBytes - offset));
    if ((await options.file.read(wanted, offset)) !== wanted.length) {
      throw corruptLog({ path: options.path, offset }, 'the file became shorter while it was read');
    }
    scanner.acceptSlice(wanted);
  }
  return scanner.finish();
}

interface OpenGroup {
  readonly offset: number;
  /** Null until a block of it was seen. */
  count: number | null;
  payload: Buffer;
  /** Valid blocks seen, each at its place; the group counts once all are. */
  received: number;
}

class Scanner {
  readonly #options: SegmentScanOptions;
  readonly #segmentBytes: number;
  #offset = 0;
  #header: SegmentHeader | null = null;
  #end: ChainPosition;
  #group: OpenGroup = startGroup(blockBytes);
  #nextSegmentBytes: number | null = null;
  #lastGroup: { readonly offset: number; readonly payload: Buffer; readonly start: ChainPosition } | null =
    null;
  #tornFrom: number | null = null;
  #tornTo = 0;

  constructor(options: SegmentScanOptions, segmentBytes: number) {
    this.#options = options;
    this.#segmentBytes = segmentBytes;
    this.#end = options.start;
  }

  acceptSlice(slice: Buffer): void {
    const isStarted = this.#offset > 0;
    if (isStarted && slice.equals(zeroSlice.subarray(0, slice.length))) {
      this.#offset += slice.length;
      return;
    }
    for (let at = 0; at < slice.length; at += blockBytes) {
      const block = slice.subarray(at, at + blockBytes);
      if (this.#offset === 0) this.#acceptHeader(block);
      else this.#acceptBlock(block);
      this.#offset += blockBytes;
    }
  }

  finish(): SegmentScan {
    return {
      header: this.#header,
      segmentBytes: this.#segmentBytes,
      endOffset: this.#group.offset,
      end: this.#end,
      nextSegmentBytes: this.#nextSegmentBytes,
      lastWrite: this.#lastWrite(),
      torn: this.#tornFrom === null ? null : { offset: this.#tornFrom, bytes: this.#tornTo - this.#tornFrom },
    };
  }

  #acceptHeader(block: Buffer): void {
    const place = this.#place();
    this.#header = parseSegmentHeader(block, place);
    if (this.#header === null) {
      if (inspectBlock(block, 0) === 'cut') this.#markTorn();
      return;
    }
    this.#options.onHeader(this.#header, place);
    this.#end = { sequence: this.#header.sequence, chain: headerChain(block) };
  }

  #acceptBlock(block: Buffer): void {
    const state = inspectBlock(block, this.#end.chain);
    if (state === 'zero') return;
    // The header is durable before the first group is written, and the end record before the next segment is touched.
    if (this.#header === null) throw this.#corrupt('there is data, but the header of the segment is gone');
    if (this.#nextSegmentBytes !== null)
      throw this.#corrupt('there is data behind the end record of the segment');
    if (state === 'bad') throw this.#corrupt(this.#explain(block));
    this.#markTorn();
    if (state === 'valid') this.#acceptValid(block);
  }

  #acceptValid(block: Buffer): void {
    const group = this.#group;
    const head = readBlockHead(block);
    const number = (this.#offset - group.offset) / blockBytes;
    const blocksLeft = (this.#segmentBytes - group.offset) / blockBytes;
    const isInPlace =
      head.sequence === this.#end.sequence &&
      head.number === number &&
      head.number < head.count &&
      head.count <= blocksLeft &&
      head.count === (group.count ?? head.count);
    if (!isInPlace) throw this.#corrupt(`a block of group ${head.sequence} stands in the wrong place`);
    if (group.count === null) group.payload = Buffer.allocUnsafe(groupPayloadBytes(head.count));
    group.count = head.count;
    copyBlockData(block, number, group.payload);
    group.received += 1;
    if (group.received === head.count) this.#completeGroup();
  }

  #completeGroup(): void {
    const group = this.#group;
    const place = { path: this.#options.path, offset: group.offset };
    const bytes = encodedPayloadBytes(group.payload);
    if (bytes > group.payload.length || blockCount(bytes) !== group.count) {
      throw corruptLog(place, 'the lengths in a group disagree');
    }
    const payload = group.payload.subarray(0, bytes);
    for (const record of decodeRecords(payload, place)) {
      if (this.#nextSegmentBytes !== null) throw corruptLog(place, 'there is a record behind the end record');
      if (record.type === 'segmentEnd') this.#nextSegmentBytes = record.nextSegmentBytes;
      else this.#options.onChange(record, place);
    }
    const start = this.#end;
    this.#lastGroup = { offset: group.offset, payload, start };
    this.#end = { sequence: start.sequence + 1, chain: nextChain(payload, start.chain) };
    this.#tornFrom = null;
    this.#group = startGroup(this.#offset + blockBytes);
  }

  #lastWrite(): SegmentWrite | null {
    const group = this.#lastGroup;
    if (group === null) return this.#header && { offset: 0, bytes: encodeSegmentHeader(this.#header) };
    return {
      offset: group.offset,
      bytes: encodeGroup(group.payload, group.start.sequence, group.start.chain),
    };
  }

  #markTorn(): void {
    this.#tornFrom ??= this.#header === null ? 0 : this.#group.offset;
    this.#tornTo = this.#offset + blockBytes;
  }

  /** Says why, as far as the damaged block can be believed. */
  #explain(block: Buffer): string {
    const { sequence } = readBlockHead(block);
    const expected = this.#end.sequence;
    if (sequence > expected) {
      return `group ${sequence} is here, so group ${expected} before it was acknowledged, but is no longer complete`;
    }
    return `a block of group ${expected} was written here, but its content has changed since`;
  }

  #place(): LogPlace {
    return { path: this.#options.path, offset: this.#offset };
  }

  #corrupt(reason: string): Error {
    return corruptLog(this.#place(), reason);
  }
}

function startGroup(offset: number): OpenGroup {
  return { offset, count: null, payload: Buffer.alloc(0), received: 0 };
}
