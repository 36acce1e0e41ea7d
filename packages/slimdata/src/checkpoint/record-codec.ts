import type { Creation, StateRecord, StoredSession } from '../state-machine/stored-state.ts';
import type { TransactionResult } from '../state-machine/transaction.ts';
import type { StoredRecord } from './state-digest.ts';

/**
 * Keys, all of fixed lengths and big-endian, so that the order of bytes is the order of creation, a hashset comes
 * right before its fields, and reading everything in order needs no sorting:
 *
 *   hashset  2 | created index (6) ordinal (2) | 0
 *   field    2 | created index and ordinal of its hashset (8) | 1 | created index and ordinal (8)
 *   session  3 | id (6)
 *
 * Names are in the values: they may contain anything, and a place is never used twice, unlike a name.
 */
const KeyKind = { state: 2, session: 3 } as const;
const Part = { hashset: 0, field: 1 } as const;

/** First key that a record of the state may have; what lies below belongs to the checkpoint itself. */
export const firstStateKey = Buffer.from([KeyKind.state]);

const indexBytes = 6;
const creationBytes = indexBytes + 2;
const hashsetKeyBytes = 1 + creationBytes + 1;
const fieldKeyBytes = hashsetKeyBytes + creationBytes;
const sessionKeyBytes = 1 + indexBytes;
export const keyBytesMax = fieldKeyBytes;

/** A name of ASCII alone, one byte per character; or UTF-16, which keeps whatever a JavaScript string may hold. */
const NameForm = { ascii: 0, utf16: 1 } as const;
const fieldHeadBytes = indexBytes + 1 + 2;
const sessionHeadBytes = indexBytes + 8 + 4;
const resultBytes = 2 + indexBytes + 2;
/** Where the number of a failed check would stand; checks are fewer. */
const appliedMark = 0xffff;

export function encodeStateRecord(record: StateRecord): StoredRecord {
  switch (record.type) {
    case 'hashset': {
      const { name } = record.hashset;
      const form = nameForm(name);
      const value = Buffer.allocUnsafe(1 + nameBytes(name, form));
      writeName(value, value.writeUInt8(form, 0), name, form);
      return { key: hashsetKey(record.hashset), value };
    }
    case 'field':
      return encodeField(record);
    case 'session':
      return encodeSession(record.session);
  }
}

function encodeField({ hashset, name, field }: StateRecord & { readonly type: 'field' }): StoredRecord {
  const key = Buffer.allocUnsafe(fieldKeyBytes);
  let at = key.writeUInt8(KeyKind.state, 0);
  at = writeCreation(key, at, hashset);
  at = key.writeUInt8(Part.field, at);
  writeCreation(key, at, field);
  const form = nameForm(name);
  const size = nameBytes(name, form);
  const value = Buffer.allocUnsafe(fieldHeadBytes + size + field.value.length);
  at = value.writeUIntBE(field.version, 0, indexBytes);
  at = value.writeUInt8(form, at);
  at = value.writeUInt16BE(size, at);
  at = writeName(value, at, name, form);
  value.set(field.value, at);
  return { key, value };
}

/** Results as they were applied, which is the same order on every member, and stays the same over a restore. */
function encodeSession({ id, usedIndex, floor, results }: StoredSession): StoredRecord {
  const key = Buffer.allocUnsafe(sessionKeyBytes);
  key.writeUIntBE(id, key.writeUInt8(KeyKind.session, 0), indexBytes);
  const value = Buffer.allocUnsafe(sessionHeadBytes + results.size * resultBytes);
  let at = value.writeUIntBE(usedIndex, 0, indexBytes);
  // A double holds every safe integer, which a floor may be.
  at = value.writeDoubleBE(floor, at);
  at = value.writeUInt32BE(results.size, at);
  for (const [sequence, result] of results) {
    at = value.writeUInt16BE(sequence - floor, at);
    at = value.writeUIntBE(result.index, at, indexBytes);
    at = value.writeUInt16BE(result.applied ? appliedMark : result.failedCheck, at);
  }
  return { key, value };
}

/** Null when these are not key and value of a record. Values are views, not copies. */
export function parseStateRecord({ key, value }: StoredRecord): StateRecord | null {
  if (key[0] === KeyKind.session) return parseSession(key, value);
  if (key[0] !== KeyKind.state || key.length < hashsetKeyBytes) return null;
  const hashset = readCreation(key, 1);
  const part = key[hashsetKeyBytes - 1];
  if (part === Part.hashset && key.length === hashsetKeyBytes) {
    const name = readName(value.subarray(1), value[0]);
    return name === null ? null : { type: 'hashset', hashset: { ...hashset, name } };
  }
  if (part !== Part.field || key.length !== fieldKeyBytes || value.length < fieldHeadBytes) return null;
  const size = value.readUInt16BE(indexBytes + 1);
  const end = fieldHeadBytes + size;
  const name = value.length < end ? null : readName(value.subarray(fieldHeadBytes, end), value[indexBytes]);
  if (name === null) return null;
  const version = value.readUIntBE(0, indexBytes);
  const { createdIndex, createdOrdinal } = readCreation(key, hashsetKeyBytes);
  const field = { value: value.subarray(end), createdIndex, version, createdOrdinal };
  return { type: 'field', hashset, name, field };
}

function parseSession(key: Buffer, value: Buffer): StateRecord | null {
  if (key.length !== sessionKeyBytes || value.length < sessionHeadBytes) return null;
  const floor = value.readDoubleBE(indexBytes);
  const count = value.readUInt32BE(indexBytes + 8);
  if (!Number.isSafeInteger(floor) || value.length !== sessionHeadBytes + count * resultBytes) return null;
  const results = new Map<number, TransactionResult>();
  for (let at = sessionHeadBytes; at < value.length; at += resultBytes) {
    const index = value.readUIntBE(at + 2, indexBytes);
    const failedCheck = value.readUInt16BE(at + 2 + indexBytes);
    const applied = failedCheck === appliedMark;
    const result: TransactionResult = applied ? { applied, index } : { applied, index, failedCheck };
    results.set(floor + value.readUInt16BE(at), result);
  }
  if (results.size !== count) return null;
  const session = {
    id: key.readUIntBE(1, indexBytes),
    usedIndex: value.readUIntBE(0, indexBytes),
    floor,
    results,
  };
  return { type: 'session', session };
}

function hashsetKey(hashset: Creation): Buffer {
  const key = Buffer.allocUnsafe(hashsetKeyBytes);
  const at = writeCreation(key, key.writeUInt8(KeyKind.state, 0), hashset);
  key.writeUInt8(Part.hashset, at);
  return key;
}

function writeCreation(into: Buffer, at: number, { createdIndex, createdOrdinal }: Creation): number {
  return into.writeUInt16BE(createdOrdinal, into.writeUIntBE(createdIndex, at, indexBytes));
}

function readCreation(from: Buffer, at: number): Creation {
  return {
    createdIndex: from.readUIntBE(at, indexBytes),
    createdOrdinal: from.readUInt16BE(at + indexBytes),
  };
}

type Form = (typeof NameForm)[keyof typeof NameForm];

function nameForm(name: string): Form {
  return Buffer.byteLength(name) === name.length ? NameForm.ascii : NameForm.utf16;
}

function nameBytes(name: string, form: Form): number {
  return form === NameForm.ascii ? name.length : name.length * 2;
}

function writeName(into: Buffer, at: number, name: string, form: Form): number {
  return at + into.write(name, at, form === NameForm.ascii ? 'latin1' : 'utf16le');
}

function readName(bytes: Buffer, form: number | undefined): string | null {
  if (bytes.length === 0) return null;
  if (form === NameForm.ascii) return bytes.toString('latin1');
  return form === NameForm.utf16 && bytes.length % 2 === 0 ? bytes.toString('utf16le') : null;
}
