import { crc32 } from 'node:zlib';

/**
 * A segment is a row of blocks of one disk sector (512 bytes), the unit that a disk writes whole or not at all. After a
 * power cut each block of an unfinished write is therefore either as written or still zero, in any combination. Each
 * block carries its own checksum and a trailer that is never zero, so four cases can be told apart (see `BlockState`),
 * and "never written" is not confused with "written, then damaged". A record-level checksum cannot do that: it only
 * says that something, somewhere in the record, is wrong.
 */
export const blockBytes = 512;

/** Bytes of a block that belong to its owner; checksum (4) and trailer (4) follow. */
export const blockContentBytes = 504;

const checksumOffset = 504;
const trailerOffset = 508;
/** No zero byte in it. */
const trailer = 0x5da55aa5;
const zeroBlock = Buffer.alloc(blockBytes);

/**
 * - `zero`: nothing was ever written here.
 * - `valid`: written whole, and not changed since. (Decided by the checksum alone: the trailer is redundant.)
 * - `cut`: the beginning was written, the end is still zero: a disk that tears inside a sector. One changed byte cannot
 *   make a valid block look cut, since the trailer has four bytes that are not zero.
 * - `bad`: written to its end, but not what was written, or not under this seed.
 */
export type BlockState = 'zero' | 'valid' | 'cut' | 'bad';

/** Completes a block in place. `seed` binds it to everything before it in the log. */
export function finishBlock(block: Buffer, seed: number): void {
  block.writeUInt32LE(crc32(block.subarray(0, blockContentBytes), seed), checksumOffset);
  block.writeUInt32LE(trailer, trailerOffset);
}

export function inspectBlock(block: Buffer, seed: number): BlockState {
  const hasTrailer = block.readUInt32LE(trailerOffset) !== 0;
  // First, since under some seed the checksum of a zero block is zero.
  if (!hasTrailer && block.equals(zeroBlock)) return 'zero';
  if (crc32(block.subarray(0, blockContentBytes), seed) === block.readUInt32LE(checksumOffset))
    return 'valid';
  return hasTrailer ? 'bad' : 'cut';
}

/** The checksum as stored. */
export function blockChecksum(block: Buffer): number {
  return block.readUInt32LE(checksumOffset);
}

/** Makes unfinished blocks of finished ones, in place. */
export function clearTrailers(blocks: Buffer): void {
  for (let at = trailerOffset; at < blocks.length; at += blockBytes) blocks.writeUInt32LE(0, at);
}
