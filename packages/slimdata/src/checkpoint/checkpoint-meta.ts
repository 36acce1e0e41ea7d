import { crc32 } from 'node:zlib';
import { CheckpointError, corruptCheckpoint } from './checkpoint-error.ts';
import { digestBytes, StateDigest } from './state-digest.ts';

/** Where a checkpoint stands. */
export interface CheckpointMeta {
  /** Index of the last entry that the state contains. */
  readonly appliedIndex: number;
  /** Term of that entry. */
  readonly appliedTerm: number;
  /** The configuration in force at that entry, as its owner encodes it. */
  readonly configuration: Uint8Array;
}

/** What is written with the records, in the same batch: where they stand, and what they must add up to. */
export interface SealedMeta extends CheckpointMeta {
  readonly digest: StateDigest;
}

/** In every version: says which version wrote the rest, and is itself never changed. */
export const formatKey = Buffer.from([0]);
export const metaKey = Buffer.from([1]);

const formatVersion = 1;
const magic = Buffer.from('SLIMCHKP', 'latin1');
const formatBytes = magic.length + 4 + 4;

const numberBytes = 6;
const headBytes = 3 * numberBytes + 8 + digestBytes;
const checksumBytes = 4;

export function encodeFormat(): Buffer {
  const value = Buffer.alloc(formatBytes);
  magic.copy(value);
  const at = value.writeUInt32BE(formatVersion, magic.length);
  value.writeUInt32BE(crc32(value.subarray(0, at)), at);
  return value;
}

/** @throws CheckpointError `corrupt` or `unknown_version` unless `value` says that this version can read the rest. */
export function checkFormat(value: Buffer | undefined, path: string): void {
  if (value === undefined) throw corruptCheckpoint(path, 'it has records, but none that tells their format');
  const at = magic.length + 4;
  if (value.length !== formatBytes || crc32(value.subarray(0, at)) !== value.readUInt32BE(at)) {
    throw corruptCheckpoint(path, 'the record that tells its format fails its checksum');
  }
  const version = value.readUInt32BE(magic.length);
  if (version !== formatVersion || !value.subarray(0, magic.length).equals(magic)) {
    throw new CheckpointError(
      'unknown_version',
      `Checkpoint "${path}" has format version ${version}; known is ${formatVersion}. Nothing was changed. Start this ` +
        'member with the version that wrote it, or a newer one.',
    );
  }
}

export function encodeMeta(meta: SealedMeta): Buffer {
  const { appliedIndex, appliedTerm, configuration, digest } = meta;
  const value = Buffer.alloc(headBytes + configuration.length + checksumBytes);
  let at = value.writeUIntBE(appliedIndex, 0, numberBytes);
  at = value.writeUIntBE(appliedTerm, at, numberBytes);
  at = value.writeUIntBE(digest.records, at, numberBytes);
  at = value.writeDoubleBE(digest.bytes, at);
  at += digest.sum().copy(value, at);
  value.set(configuration, at);
  at += configuration.length;
  value.writeUInt32BE(crc32(value.subarray(0, at)), at);
  return value;
}

/** Null when these bytes are not what `encodeMeta` made. */
export function parseMeta(value: Buffer): SealedMeta | null {
  const end = value.length - checksumBytes;
  if (end < headBytes || crc32(value.subarray(0, end)) !== value.readUInt32BE(end)) return null;
  const sum = value.subarray(headBytes - digestBytes, headBytes);
  const records = value.readUIntBE(2 * numberBytes, numberBytes);
  return {
    appliedIndex: value.readUIntBE(0, numberBytes),
    appliedTerm: value.readUIntBE(numberBytes, numberBytes),
    configuration: Buffer.from(value.subarray(headBytes, end)),
    digest: StateDigest.of(records, value.readDoubleBE(3 * numberBytes), sum),
  };
}
