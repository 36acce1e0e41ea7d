import { isUtf8 } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { type Entry, EntryKind } from '../raft/types.ts';
import { MalformedError } from './malformed-error.ts';
import type { PeerMessage, ProposeRefused } from './peer-message.ts';
import { TupleReader } from './tuple-reader.ts';
import { TupleWriter } from './tuple-writer.ts';

/** Version of the messages below; the first element of every one. */
export const MESSAGE_VERSION = 1;

/** Before each body: its length and its CRC-32 (as zlib's), 4 bytes each, big endian. */
export const FRAME_HEAD_BYTES = 8;

/** What streams say about themselves; never handed to the replica. */
type StreamSignal =
  /** First frame of the dialing member when a secret is set. */
  | { readonly type: 'Proof'; readonly proof: Uint8Array }
  /** The dialing member has nothing else to say but is alive. */
  | { readonly type: 'Ping' }
  /** The accepting member has received bytes since it last said so. */
  | { readonly type: 'Pong' }
  /** The accepting member ends the stream after it was opened. */
  | { readonly type: 'Refused'; readonly status: number };

/** What is said on the stream of one snapshot, in this order; chunks any number of times. */
type SnapshotFrame =
  /** Dialing member: I have this snapshot. */
  | { readonly type: 'SnapshotOffer'; readonly id: string }
  /** Accepting member: send the chunks from this one on. May be left out. */
  | { readonly type: 'SnapshotWanted'; readonly number: number }
  | { readonly type: 'SnapshotChunk'; readonly number: number; readonly bytes: Uint8Array }
  /** There is no chunk of this number, nor a later one. */
  | { readonly type: 'SnapshotEnd'; readonly number: number }
  /** Accepting member, last: why it was refused; '' = installed. */
  | { readonly type: 'SnapshotOutcome'; readonly refusal: string };

/** Everything that one frame can carry. */
export type Frame = PeerMessage | StreamSignal | SnapshotFrame;

/** How one field is written, read and bounded. */
interface Field<T> {
  bytesMax(value: T): number;
  write(writer: TupleWriter, value: T): void;
  read(reader: TupleReader): T;
}

/** Type code and fields of one message; fields stand on the wire in the order they are written here. */
interface Layout<M> {
  readonly code: number;
  readonly fields: { readonly [K in Exclude<keyof M, 'type'>]: Field<M[K]> };
  /** What must hold between fields. @throws MalformedError */
  readonly check?: (message: M) => void;
}

type Layouts = { readonly [T in Frame['type']]: Layout<Extract<Frame, { type: T }>> };

const count: Field<number> = {
  bytesMax: () => 9,
  write: (writer, value) => writer.count(value),
  read: (reader) => reader.count(),
};

/** An index, or -1; sent as index + 1. */
const indexOrNone: Field<number> = {
  bytesMax: () => 9,
  write: (writer, value) => writer.count(value + 1),
  read: (reader) => reader.count() - 1,
};

const flag: Field<boolean> = {
  bytesMax: () => 1,
  write: (writer, value) => writer.flag(value),
  read: (reader) => reader.flag(),
};

const bytes: Field<Uint8Array> = {
  bytesMax: (value) => 5 + value.length,
  write: (writer, value) => writer.bytes(value),
  read: (reader) => reader.bytes(),
};

/** UTF-8. */
const text: Field<string> = {
  bytesMax: (value) => 5 + 3 * value.length,
  write: (writer, value) => writer.bytes(Buffer.from(value)),
  read: (reader) => {
    const encoded = reader.bytes();
    if (!isUtf8(encoded)) {
      throw new MalformedError('a text is not UTF-8');
    }
    return encoded.toString();
  },
};

/** One of a few words, sent as its position in the list. */
function oneOf<T>(words: readonly T[]): Field<T> {
  return {
    bytesMax: () => 9,
    write: (writer, value) => writer.count(words.indexOf(value)),
    read: (reader) => {
      const position = reader.count();
      const word = words[position];
      if (word === undefined) {
        throw new MalformedError(`choice ${position} is outside 0-${words.length - 1}`);
      }
      return word;
    },
  };
}

const entryKind = oneOf<EntryKind>([EntryKind.Noop, EntryKind.Command, EntryKind.Configuration]);
const refusal = oneOf<ProposeRefused['reason']>(['not_leader', 'overloaded']);

const ENTRY_FIELDS = 4;

const entries: Field<readonly Entry[]> = {
  bytesMax: (value) => value.reduce((sum, entry) => sum + 1 + 3 * 9 + bytes.bytesMax(entry.payload), 5),
  write: (writer, value) => {
    writer.array(value.length);
    for (const entry of value) {
      writer.array(ENTRY_FIELDS);
      writer.count(entry.index);
      writer.count(entry.term);
      entryKind.write(writer, entry.kind);
      writer.bytes(entry.payload);
    }
  },
  read: (reader) => {
    const result: Entry[] = [];
    for (let left = reader.array(); left > 0; left -= 1) {
      expectLength(reader, ENTRY_FIELDS, 'an entry');
      const index = reader.count();
      const term = reader.count();
      result.push({ index, term, kind: entryKind.read(reader), payload: reader.bytes() });
    }
    return result;
  },
};

const layouts: Layouts = {
  PreVote: { code: 1, fields: { term: count, lastLogIndex: count, lastLogTerm: count } },
  PreVoteResponse: { code: 2, fields: { term: count, granted: flag } },
  RequestVote: { code: 3, fields: { term: count, lastLogIndex: count, lastLogTerm: count, transfer: flag } },
  RequestVoteResponse: { code: 4, fields: { term: count, granted: flag } },
  AppendEntries: {
    code: 5,
    fields: { term: count, prevLogIndex: count, prevLogTerm: count, leaderCommit: count, entries },
    check: (message) => {
      message.entries.forEach((entry, offset) => {
        if (entry.index !== message.prevLogIndex + 1 + offset) {
          throw new MalformedError(`entry ${entry.index} follows ${message.prevLogIndex + offset}`);
        }
      });
    },
  },
  AppendEntriesResponse: {
    code: 6,
    fields: {
      term: count,
      success: flag,
      prevLogIndex: count,
      matchIndex: count,
      hintIndex: count,
      hintTerm: count,
    },
  },
  Heartbeat: { code: 7, fields: { term: count, commit: count, round: count } },
  HeartbeatResponse: { code: 8, fields: { term: count, round: count } },
  TimeoutNow: { code: 9, fields: { term: count } },
  ReadIndex: { code: 10, fields: { term: count, request: count } },
  ReadIndexResponse: { code: 11, fields: { term: count, request: count, index: indexOrNone } },
  Propose: { code: 12, fields: { sequence: count, payload: bytes } },
  ProposeRefused: { code: 13, fields: { sequence: count, reason: refusal } },
  Proof: { code: 64, fields: { proof: bytes } },
  Ping: { code: 65, fields: {} },
  Pong: { code: 66, fields: {} },
  Refused: { code: 67, fields: { status: count } },
  SnapshotOffer: { code: 80, fields: { id: text } },
  SnapshotWanted: { code: 81, fields: { number: count } },
  SnapshotChunk: { code: 82, fields: { number: count, bytes } },
  SnapshotEnd: { code: 83, fields: { number: count } },
  SnapshotOutcome: { code: 84, fields: { refusal: text } },
};

/** A layout as the loops below use it: the table above has checked the types of its fields. */
interface Plan {
  readonly type: Frame['type'];
  readonly code: number;
  readonly fields: readonly (readonly [string, Field<unknown>])[];
  readonly check: (message: Frame) => void;
}

function plan([type, layout]: [string, Layout<never>]): Plan {
  const fields = Object.entries(layout.fields) as unknown as Plan['fields'];
  const check = (layout.check ?? (() => undefined)) as Plan['check'];
  return { type: type as Frame['type'], code: layout.code, fields, check };
}

const plans = Object.entries(layouts).map((entry) => plan(entry as [string, Layout<never>]));
const planOfType = new Map<string, Plan>(plans.map((each) => [each.type, each]));
const planOfCode = new Map<number, Plan>(plans.map((each) => [each.code, each]));

/** The whole frame of one message: head and body, in a buffer of its own. */
export function encodeMessage(message: Frame): Buffer {
  const { code, fields } = planOfType.get(message.type) as Plan;
  const values = message as unknown as Readonly<Record<string, unknown>>;
  let bytesMax = 1 + 2 * 9;
  for (const [name, field] of fields) {
    bytesMax += field.bytesMax(values[name]);
  }
  const writer = new TupleWriter(bytesMax, FRAME_HEAD_BYTES);
  writer.array(2 + fields.length);
  writer.count(MESSAGE_VERSION);
  writer.count(code);
  for (const [name, field] of fields) {
    field.write(writer, values[name]);
  }
  const frame = writer.finish();
  const body = frame.subarray(FRAME_HEAD_BYTES);
  frame.writeUInt32BE(crc32(body), frame.writeUInt32BE(body.length, 0));
  return frame;
}

/**
 * The message in the body of a frame. Payloads are views on `body`.
 * @throws MalformedError for anything that `encodeMessage` does not produce.
 */
export function decodeMessage(body: Buffer): Frame {
  const reader = new TupleReader(body);
  const length = reader.array();
  const version = reader.count();
  if (version !== MESSAGE_VERSION) {
    throw new MalformedError(`message version ${version} is not ${MESSAGE_VERSION}`);
  }
  const code = reader.count();
  const found = planOfCode.get(code);
  if (found === undefined) {
    throw new MalformedError(`unknown type code ${code}`);
  }
  if (length !== 2 + found.fields.length) {
    throw new MalformedError(`${found.type} of ${length} fields, not ${2 + found.fields.length}`);
  }
  const message: Record<string, unknown> = { type: found.type };
  for (const [name, field] of found.fields) {
    message[name] = field.read(reader);
  }
  reader.end();
  found.check(message as unknown as Frame);
  return message as unknown as Frame;
}

function expectLength(reader: TupleReader, length: number, what: string): void {
  const actual = reader.array();
  if (actual !== length) {
    throw new MalformedError(`${what} of ${actual} fields, not ${length}`);
  }
}
