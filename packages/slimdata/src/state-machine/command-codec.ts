import { Packr } from 'msgpackr';
import type { Command } from './command.ts';
import { commandBytesMax, nameLengthMax, transactionStepsMax } from './limits.ts';
import type { Check, Write } from './transaction.ts';

/**
 * First element of every encoded command. A later version may be written only once every member of the
 * cluster reads it: a member that cannot read a command rejects it, and would drift from those that can.
 */
const formatVersion = 1;

const CommandCode = { OpenSession: 0, SessionTransaction: 1 } as const;
const CheckCode = { absent: 0, version: 1, smaller: 2, term: 3, empty: 4 } as const;
const WriteCode = { set: 0, delete: 1, deleteHashset: 2 } as const;

/** Plain arrays and numbers: records would need a dictionary shared by all members. */
const packr = new Packr({ useRecords: false, variableMapSize: true });

/** Encodes a command as one msgpack array tuple. The result is a buffer of its own. */
export function encodeCommand(command: Command): Uint8Array {
  if (command.type === 'OpenSession') {
    return packr.pack([formatVersion, CommandCode.OpenSession, command.member, command.nonce]);
  }
  const { session, sequence, floor, transaction } = command;
  const checks = transaction.checks.map(checkTuple);
  const writes = transaction.writes.map(writeTuple);
  return packr.pack([
    formatVersion,
    CommandCode.SessionTransaction,
    session,
    sequence,
    floor,
    checks,
    writes,
  ]);
}

function checkTuple(check: Check): readonly unknown[] {
  switch (check.check) {
    case 'absent':
      return [CheckCode.absent, check.hashset, check.field];
    case 'version':
      return [CheckCode.version, check.hashset, check.field, check.version];
    case 'smaller':
      return [CheckCode.smaller, check.hashset, check.count];
    case 'term':
      return [CheckCode.term, check.term];
    case 'empty':
      return [CheckCode.empty, check.hashset];
  }
}

function writeTuple(write: Write): readonly unknown[] {
  switch (write.write) {
    case 'set':
      return [WriteCode.set, write.hashset, write.field, write.value];
    case 'delete':
      return [WriteCode.delete, write.hashset, write.field];
    case 'deleteHashset':
      return [WriteCode.deleteHashset, write.hashset];
  }
}

/**
 * Decodes a command; null when it is not one. Pure: every member gives the same answer for the same bytes.
 * Values are views into `payload`, not copies.
 */
export function parseCommand(payload: Uint8Array): Command | null {
  if (payload.length > commandBytesMax) return null;
  let tuple: unknown;
  try {
    tuple = packr.unpack(payload);
  } catch {
    return null; // Not msgpack: as malformed as any other tuple that fails below.
  }
  if (!Array.isArray(tuple) || tuple[0] !== formatVersion) return null;
  if (tuple[1] === CommandCode.OpenSession) return parseOpenSession(tuple);
  if (tuple[1] === CommandCode.SessionTransaction) return parseSessionTransaction(tuple);
  return null;
}

function parseOpenSession(tuple: readonly unknown[]): Command | null {
  const [, , member, nonce] = tuple;
  if (tuple.length !== 4 || !isName(member) || !isNatural(nonce)) return null;
  return { type: 'OpenSession', member, nonce };
}

function parseSessionTransaction(tuple: readonly unknown[]): Command | null {
  const [, , session, sequence, floor] = tuple;
  if (tuple.length !== 7 || !isNatural(session) || !isNatural(sequence) || !isNatural(floor)) return null;
  const checks = parseList(tuple[5], parseCheck);
  const writes = parseList(tuple[6], parseWrite);
  if (checks === null || writes === null) return null;
  return { type: 'SessionTransaction', session, sequence, floor, transaction: { checks, writes } };
}

function parseList<T>(list: unknown, parse: (item: readonly unknown[]) => T | null): readonly T[] | null {
  if (!Array.isArray(list) || list.length > transactionStepsMax) return null;
  const parsed: T[] = [];
  for (const item of list) {
    const one = Array.isArray(item) ? parse(item) : null;
    if (one === null) return null;
    parsed.push(one);
  }
  return parsed;
}

function parseCheck(tuple: readonly unknown[]): Check | null {
  const [code, a, b] = tuple;
  const size = tuple.length;
  if (code === CheckCode.term) return size === 2 && isNatural(a) ? { check: 'term', term: a } : null;
  if (!isName(a)) return null;
  switch (code) {
    case CheckCode.smaller:
      return size === 3 && isNatural(b) ? { check: 'smaller', hashset: a, count: b } : null;
    case CheckCode.empty:
      return size === 2 ? { check: 'empty', hashset: a } : null;
    default:
      return isName(b) ? parseFieldCheck(tuple, a, b) : null;
  }
}

function parseFieldCheck(tuple: readonly unknown[], hashset: string, field: string): Check | null {
  const [code, , , version] = tuple;
  if (code === CheckCode.absent && tuple.length === 3) return { check: 'absent', hashset, field };
  if (code !== CheckCode.version || tuple.length !== 4 || !isNatural(version)) return null;
  return { check: 'version', hashset, field, version };
}

function parseWrite(tuple: readonly unknown[]): Write | null {
  const [code, hashset, field, value] = tuple;
  const size = tuple.length;
  if (!isName(hashset)) return null;
  switch (code) {
    case WriteCode.set:
      return size === 4 && isName(field) && value instanceof Uint8Array
        ? { write: 'set', hashset, field, value }
        : null;
    case WriteCode.delete:
      return size === 3 && isName(field) ? { write: 'delete', hashset, field } : null;
    case WriteCode.deleteHashset:
      return size === 2 ? { write: 'deleteHashset', hashset } : null;
    default:
      return null;
  }
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= nameLengthMax;
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
