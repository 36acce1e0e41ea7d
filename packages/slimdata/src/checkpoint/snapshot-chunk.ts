import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { encodeMeta, parseMeta, type SealedMeta } from './checkpoint-meta.ts';

/**
 * A snapshot is: chunk 0, which says what follows; chunks with the records of a checkpoint, in order, cut wherever a
 * chunk is full; a last chunk, which says that this was all. Every chunk:
 *
 *   CRC-32 of the rest (4) | number (4) | kind (1) | snapshot id (16) | payload
 */
export const ChunkKind = { header: 0, records: 1, end: 2 } as const;
export type ChunkKind = (typeof ChunkKind)[keyof typeof ChunkKind];

/** One numbered piece. The same number of the same snapshot is always the same bytes. */
export interface SnapshotChunk {
  readonly number: number;
  readonly bytes: Uint8Array;
}

export interface ParsedChunk {
  readonly number: number;
  readonly kind: ChunkKind;
  /** Hex. */
  readonly id: string;
  /** A view of the chunk's bytes. */
  readonly payload: Buffer;
}

const idBytes = 16;
const kindOffset = 8;
const idOffset = kindOffset + 1;
const headBytes = idOffset + idBytes;
/** Largest chunk, head included; what is larger is not one. */
export const chunkBytesMax = 262_144;
export const payloadBytesMax = chunkBytesMax - headBytes;

export function encodeChunk(number: number, kind: ChunkKind, id: string, payload: Buffer): SnapshotChunk {
  const bytes = Buffer.allocUnsafe(headBytes + payload.length);
  bytes.writeUInt32BE(number, 4);
  bytes.writeUInt8(kind, kindOffset);
  bytes.write(id, idOffset, 'hex');
  payload.copy(bytes, headBytes);
  bytes.writeUInt32BE(crc32(bytes.subarray(4)), 0);
  return { number, bytes };
}

/** Null when these bytes are not, or no longer, a chunk. */
export function parseChunk(chunk: Uint8Array): ParsedChunk | null {
  const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (bytes.length < headBytes || bytes.length > chunkBytesMax) return null;
  if (crc32(bytes.subarray(4)) !== bytes.readUInt32BE(0)) return null;
  const kind = bytes[kindOffset];
  if (kind !== ChunkKind.header && kind !== ChunkKind.records && kind !== ChunkKind.end) return null;
  return {
    number: bytes.readUInt32BE(4),
    kind,
    id: bytes.toString('hex', idOffset, headBytes),
    payload: bytes.subarray(headBytes),
  };
}

const magic = Buffer.from('SLIMSNAP', 'latin1');
export const snapshotVersion = 1;
const headerBytes = magic.length + 4 + 4;

/** Bounded by the meta, which is small: the configuration of a cluster. */
export function encodeSnapshotHeader(meta: SealedMeta, payloadBytes: number): Buffer {
  const head = Buffer.alloc(headerBytes);
  magic.copy(head);
  head.writeUInt32BE(payloadBytes, head.writeUInt32BE(snapshotVersion, magic.length));
  return Buffer.concat([head, encodeMeta(meta)]);
}

/** Follows from what is sent and how it is cut, so members with equal checkpoints offer the same snapshot. */
export function snapshotIdOf(header: Buffer): string {
  return createHash('sha256')
    .update(header)
    .digest('hex')
    .slice(0, idBytes * 2);
}

/** The version is read before anything that it decides; null when this is no header at all. */
export function parseSnapshotHeader(payload: Buffer): { version: number; meta: SealedMeta | null } | null {
  if (payload.length < headerBytes || !payload.subarray(0, magic.length).equals(magic)) return null;
  const version = payload.readUInt32BE(magic.length);
  return { version, meta: version === snapshotVersion ? parseMeta(payload.subarray(headerBytes)) : null };
}
