import { crc32 } from 'node:zlib';
import { blockBytes, blockContentBytes, finishBlock } from './block.ts';

/**
 * A group is what one write and one fdatasync make durable: the batches queued meanwhile, spread over whole blocks. It
 * counts only when all its blocks are there, which makes everything in it visible at once or not at all. It never shares
 * a block with another group: what was acknowledged is never written again.
 *
 * Block: u48 sequence of the group, u32 number of the block in it, u32 blocks in it, payload.
 */
const dataOffset = 14;
const blockDataBytes = blockContentBytes - dataOffset;

export interface BlockHead {
  readonly sequence: number;
  readonly number: number;
  readonly count: number;
}

/** Bytes on disk of a group with this payload. */
export function groupBytes(payloadBytes: number): number {
  return blockCount(payloadBytes) * blockBytes;
}

export function blockCount(payloadBytes: number): number {
  return Math.ceil(payloadBytes / blockDataBytes);
}

/** Largest payload of a group of so many blocks. */
export function groupPayloadBytes(count: number): number {
  return count * blockDataBytes;
}

/** All checksums are seeded with `chain`: a group is valid only behind the very log it was written behind. */
export function encodeGroup(payload: Buffer, sequence: number, chain: number): Buffer {
  const count = blockCount(payload.length);
  const bytes = Buffer.alloc(count * blockBytes);
  for (let number = 0; number < count; number += 1) {
    const block = bytes.subarray(number * blockBytes, (number + 1) * blockBytes);
    block.writeUIntLE(sequence, 0, 6);
    block.writeUInt32LE(number, 6);
    block.writeUInt32LE(count, 10);
    payload.copy(block, dataOffset, number * blockDataBytes, (number + 1) * blockDataBytes);
    finishBlock(block, chain);
  }
  return bytes;
}

export function readBlockHead(block: Buffer): BlockHead {
  return { sequence: block.readUIntLE(0, 6), number: block.readUInt32LE(6), count: block.readUInt32LE(10) };
}

/** Takes the payload of block `number` out into the payload of its group. */
export function copyBlockData(block: Buffer, number: number, payload: Buffer): void {
  block.copy(payload, number * blockDataBytes, dataOffset, blockContentBytes);
}

/** The chain behind a group: depends on every byte of it and, through `chain`, of everything before. */
export function nextChain(payload: Buffer, chain: number): number {
  return crc32(payload, chain);
}
