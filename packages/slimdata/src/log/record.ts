import assert from 'node:assert/strict';
import { type Entry, EntryKind, type HardState } from '../raft/types.ts';
import { corruptLog, type LogPlace, unknownLogVersion } from './log-error.ts';
import type { LogBase, LogBatch } from './log-store.ts';

/** One change of the log. */
export type LogChange =
  | { readonly type: 'entry'; readonly entry: Entry }
  | { readonly type: 'truncation'; readonly from: number }
  | { readonly type: 'hardState'; readonly hardState: HardState }
  /** A snapshot stands for everything up to and including `base`; all entries are forgotten. */
  | { readonly type: 'reset'; readonly base: LogBase }
  /** Segments below `segment` no longer count, whether their files are there or not; the log begins behind `base`. */
  | { readonly type: 'removal'; readonly segment: number; readonly base: LogBase };

/** What a group carries, in the order in which it takes effect. */
export type LogRecord =
  | LogChange
  /** Last record of a segment: the log goes on in the next one, whose file has this size. */
  | { readonly type: 'segmentEnd'; readonly nextSegmentBytes: number };

const RecordKind = { Entry: 1, Truncation: 2, HardState: 3, SegmentEnd: 4, Reset: 5, Removal: 6 } as const;

/** Every record starts with: u32 length of kind and body, u8 kind. */
const headBytes = 5;
const entryFixedBytes = 13;
const uint48Bytes = 6;
const baseBytes = 2 * uint48Bytes;
const removalBytes = 4 + baseBytes;
/** u32 before the records of a group: their length together. */
const prefixBytes = 4;
/** Length of a vote for nobody. */
const nobody = 0xffff;
/** Longest name of a member, UTF-8, so that a hard state always fits into one block. */
export const votedForBytesMax = 256;

/** Bytes that the batch takes in a group. */
export function batchBytes(batch: LogBatch): number {
  let bytes = 0;
  if (batch.snapshot) bytes += headBytes + baseBytes;
  if (batch.truncateFrom !== null) bytes += headBytes + uint48Bytes;
  for (const entry of batch.entries) bytes += headBytes + entryFixedBytes + entry.payload.length;
  if (batch.hardState !== null) bytes += headBytes + hardStateBytes(batch.hardState);
  return bytes;
}

/** The payload of a group made of these batches; `bytes` is the sum of their `batchBytes`. */
export function encodeBatches(batches: readonly LogBatch[], bytes: number): Buffer {
  const payload = Buffer.allocUnsafe(prefixBytes + bytes);
  let at = payload.writeUInt32LE(bytes, 0);
  for (const batch of batches) {
    if (batch.snapshot) {
      at = writeHead(payload, at, RecordKind.Reset, baseBytes);
      at = writeBase(payload, at, batch.snapshot);
    }
    if (batch.truncateFrom !== null) {
      at = writeHead(payload, at, RecordKind.Truncation, uint48Bytes);
      at = payload.writeUIntLE(batch.truncateFrom, at, uint48Bytes);
    }
    for (const entry of batch.entries) at = writeEntry(payload, at, entry);
    if (batch.hardState !== null) {
      at = writeHead(payload, at, RecordKind.HardState, hardStateBytes(batch.hardState));
      at = writeHardState(payload, at, batch.hardState);
    }
  }
  assert.equal(at, payload.length);
  return payload;
}

/** The payload of the group that ends a segment. */
export function encodeSegmentEnd(nextSegmentBytes: number): Buffer {
  const payload = Buffer.alloc(prefixBytes + headBytes + uint48Bytes);
  let at = payload.writeUInt32LE(headBytes + uint48Bytes, 0);
  at = writeHead(payload, at, RecordKind.SegmentEnd, uint48Bytes);
  payload.writeUIntLE(nextSegmentBytes, at, uint48Bytes);
  return payload;
}

/** The payload of the group that gives up all segments below `segment`. */
export function encodeRemoval(segment: number, base: LogBase): Buffer {
  const payload = Buffer.alloc(prefixBytes + headBytes + removalBytes);
  let at = payload.writeUInt32LE(headBytes + removalBytes, 0);
  at = writeHead(payload, at, RecordKind.Removal, removalBytes);
  at = payload.writeUInt32LE(segment, at);
  writeBase(payload, at, base);
  return payload;
}

/** Payload lengths as they are in the first four bytes. */
export function encodedPayloadBytes(payload: Buffer): number {
  return prefixBytes + payload.readUInt32LE(0);
}

/** Entries are views into `payload`. `place` is where the group starts, for errors. */
export function decodeRecords(payload: Buffer, place: LogPlace): LogRecord[] {
  const records: LogRecord[] = [];
  let at = prefixBytes;
  while (at < payload.length) {
    const length = at + prefixBytes <= payload.length ? payload.readUInt32LE(at) : 0;
    const end = at + prefixBytes + length;
    if (length === 0 || end > payload.length) throw corruptLog(place, 'a record exceeds its group');
    records.push(
      decodeRecord(payload.readUInt8(at + prefixBytes), payload.subarray(at + headBytes, end), place),
    );
    at = end;
  }
  return records;
}

function decodeRecord(kind: number, body: Buffer, place: LogPlace): LogRecord {
  switch (kind) {
    case RecordKind.Entry:
      return { type: 'entry', entry: readEntry(body, place) };
    case RecordKind.Truncation:
      expectBytes(body, uint48Bytes, place);
      return { type: 'truncation', from: body.readUIntLE(0, uint48Bytes) };
    case RecordKind.HardState: {
      const hardState = readHardState(body, 0);
      if (hardState === null) throw corruptLog(place, 'a hard state is not readable');
      return { type: 'hardState', hardState };
    }
    case RecordKind.SegmentEnd:
      expectBytes(body, uint48Bytes, place);
      return { type: 'segmentEnd', nextSegmentBytes: body.readUIntLE(0, uint48Bytes) };
    case RecordKind.Reset:
      expectBytes(body, baseBytes, place);
      return { type: 'reset', base: readBase(body, 0) };
    case RecordKind.Removal:
      expectBytes(body, removalBytes, place);
      return { type: 'removal', segment: body.readUInt32LE(0), base: readBase(body, 4) };
    default:
      throw unknownLogVersion(place, `a record of kind ${kind}`);
  }
}

function expectBytes(body: Buffer, bytes: number, place: LogPlace): void {
  if (body.length !== bytes) throw corruptLog(place, `a record has ${body.length} bytes instead of ${bytes}`);
}

function writeHead(payload: Buffer, at: number, kind: number, bodyBytes: number): number {
  return payload.writeUInt8(kind, payload.writeUInt32LE(1 + bodyBytes, at));
}

function writeEntry(payload: Buffer, start: number, entry: Entry): number {
  let at = writeHead(payload, start, RecordKind.Entry, entryFixedBytes + entry.payload.length);
  at = payload.writeUIntLE(entry.index, at, uint48Bytes);
  at = payload.writeUIntLE(entry.term, at, uint48Bytes);
  at = payload.writeUInt8(entry.kind, at);
  payload.set(entry.payload, at);
  return at + entry.payload.length;
}

function readEntry(body: Buffer, place: LogPlace): Entry {
  if (body.length < entryFixedBytes) throw corruptLog(place, 'an entry is too short');
  const stored = body.readUInt8(12);
  const kind = Object.values(EntryKind).find((known) => known === stored);
  if (kind === undefined) throw unknownLogVersion(place, `an entry of kind ${stored}`);
  return {
    index: body.readUIntLE(0, uint48Bytes),
    term: body.readUIntLE(6, uint48Bytes),
    kind,
    payload: body.subarray(entryFixedBytes),
  };
}

/** u48 index, u48 term. */
export function writeBase(into: Buffer, start: number, base: LogBase): number {
  return into.writeUIntLE(base.term, into.writeUIntLE(base.index, start, uint48Bytes), uint48Bytes);
}

export function readBase(from: Buffer, start: number): LogBase {
  return {
    index: from.readUIntLE(start, uint48Bytes),
    term: from.readUIntLE(start + uint48Bytes, uint48Bytes),
  };
}

/** u48 term, u16 length of the name (0xffff = no vote), the name. */
function hardStateBytes(hardState: HardState): number {
  return uint48Bytes + 2 + (hardState.votedFor === null ? 0 : Buffer.byteLength(hardState.votedFor));
}

export function writeHardState(into: Buffer, start: number, hardState: HardState): number {
  const at = into.writeUIntLE(hardState.term, start, uint48Bytes);
  if (hardState.votedFor === null) return into.writeUInt16LE(nobody, at);
  const bytes = Buffer.byteLength(hardState.votedFor);
  assert(bytes <= votedForBytesMax, `the name "${hardState.votedFor}" exceeds ${votedForBytesMax} bytes`);
  into.writeUInt16LE(bytes, at);
  return at + 2 + into.write(hardState.votedFor, at + 2);
}

/** Null when there is none at this place. */
export function readHardState(from: Buffer, start: number): HardState | null {
  const nameAt = start + uint48Bytes + 2;
  if (from.length < nameAt) return null;
  const term = from.readUIntLE(start, uint48Bytes);
  const bytes = from.readUInt16LE(nameAt - 2);
  if (bytes === nobody) return { term, votedFor: null };
  if (bytes > votedForBytesMax || nameAt + bytes > from.length) return null;
  return { term, votedFor: from.toString('utf8', nameAt, nameAt + bytes) };
}
