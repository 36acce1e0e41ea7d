import fc from 'fast-check';
import type { Frame } from '../../src/peers/codec.ts';
import { type Entry, EntryKind } from '../../src/raft/types.ts';

/** Favours the edges of each encoded width. */
const arbitraryCount: fc.Arbitrary<number> = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(300),
  fc.constantFrom(0, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0xffffffff, 0x100000000, 2 ** 53 - 1),
);

const flag = fc.boolean();
/** Well-formed, of any script. */
const text = fc.string({ unit: 'binary', maxLength: 300 });
const payload: fc.Arbitrary<Uint8Array> = fc.uint8Array({ maxLength: 300 });

const arbitraryAppend: fc.Arbitrary<Frame> = fc
  .record({
    term: arbitraryCount,
    prevLogIndex: fc.oneof(fc.nat(70_000), fc.constantFrom(0, 2 ** 40)),
    prevLogTerm: arbitraryCount,
    leaderCommit: arbitraryCount,
    bodies: fc.array(
      fc.record({ term: arbitraryCount, kind: fc.constantFrom(...Object.values(EntryKind)), payload }),
      { maxLength: 20 },
    ),
  })
  .map(({ bodies, ...rest }) => {
    const entries: Entry[] = bodies.map((body, offset) => ({
      index: rest.prevLogIndex + 1 + offset,
      ...body,
    }));
    return { type: 'AppendEntries', ...rest, entries };
  });

function shaped<T extends Frame['type']>(
  type: T,
  fields: {
    [K in Exclude<keyof Extract<Frame, { type: T }>, 'type'>]: fc.Arbitrary<Extract<Frame, { type: T }>[K]>;
  },
): fc.Arbitrary<Frame> {
  return fc.record({ type: fc.constant(type), ...(fields as object) }) as unknown as fc.Arbitrary<Frame>;
}

const term = arbitraryCount;

/** One arbitrary for every type of frame, by its type. */
export const arbitraryFrames: Readonly<Record<Frame['type'], fc.Arbitrary<Frame>>> = {
  PreVote: shaped('PreVote', { term, lastLogIndex: arbitraryCount, lastLogTerm: arbitraryCount }),
  PreVoteResponse: shaped('PreVoteResponse', { term, granted: flag }),
  RequestVote: shaped('RequestVote', {
    term,
    lastLogIndex: arbitraryCount,
    lastLogTerm: arbitraryCount,
    transfer: flag,
  }),
  RequestVoteResponse: shaped('RequestVoteResponse', { term, granted: flag }),
  AppendEntries: arbitraryAppend,
  AppendEntriesResponse: shaped('AppendEntriesResponse', {
    term,
    success: flag,
    prevLogIndex: arbitraryCount,
    matchIndex: arbitraryCount,
    hintIndex: arbitraryCount,
    hintTerm: arbitraryCount,
  }),
  Heartbeat: shaped('Heartbeat', { term, commit: arbitraryCount, round: arbitraryCount }),
  HeartbeatResponse: shaped('HeartbeatResponse', { term, round: arbitraryCount }),
  TimeoutNow: shaped('TimeoutNow', { term }),
  ReadIndex: shaped('ReadIndex', { term, request: arbitraryCount }),
  ReadIndexResponse: shaped('ReadIndexResponse', {
    term,
    request: arbitraryCount,
    index: fc.oneof(fc.constant(-1), fc.nat()),
  }),
  Propose: shaped('Propose', { sequence: arbitraryCount, payload }),
  ProposeRefused: shaped('ProposeRefused', {
    sequence: arbitraryCount,
    reason: fc.constantFrom('not_leader', 'overloaded'),
  }),
  Proof: shaped('Proof', { proof: payload }),
  Ping: shaped('Ping', {}),
  Pong: shaped('Pong', {}),
  Refused: shaped('Refused', { status: arbitraryCount }),
  SnapshotOffer: shaped('SnapshotOffer', { id: text }),
  SnapshotWanted: shaped('SnapshotWanted', { number: arbitraryCount }),
  SnapshotChunk: shaped('SnapshotChunk', { number: arbitraryCount, bytes: payload }),
  SnapshotEnd: shaped('SnapshotEnd', { number: arbitraryCount }),
  SnapshotOutcome: shaped('SnapshotOutcome', { refusal: text }),
};

export const arbitraryFrame: fc.Arbitrary<Frame> = fc.oneof(...Object.values(arbitraryFrames));

/** With every byte string as plain text, so that a Buffer equals a Uint8Array of the same bytes. */
export function comparable(frame: Frame): unknown {
  return JSON.parse(
    JSON.stringify(frame, (_, value: unknown) =>
      value instanceof Uint8Array
        ? Buffer.from(value).toString('hex')
        : isSerialisedBuffer(value)
          ? Buffer.from(value.data).toString('hex')
          : value,
    ),
  );
}

/** JSON calls `toJSON` of a Buffer before the replacer sees it. */
function isSerialisedBuffer(value: unknown): value is { data: number[] } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'data' in value &&
    'type' in value &&
    value.type === 'Buffer'
  );
}
