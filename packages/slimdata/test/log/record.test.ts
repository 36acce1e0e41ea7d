import { expect } from 'chai';
import * as fc from 'fast-check';
import { describe, it } from 'mocha';
import type { LogBase, LogBatch } from '../../src/log/log-store.ts';
import {
  batchBytes,
  decodeRecords,
  encodeBatches,
  encodedPayloadBytes,
  encodeRemoval,
  encodeSegmentEnd,
} from '../../src/log/record.ts';
import { EntryKind } from '../../src/raft/types.ts';

const place = { path: '/log/00000001.wal', offset: 512 };
const uint48 = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const batches: fc.Arbitrary<LogBatch> = fc.record({
  hardState: fc.option(
    fc.record({ term: uint48, votedFor: fc.option(fc.string({ maxLength: 60, unit: 'grapheme' })) }),
  ),
  snapshot: fc.option<LogBase>(fc.record({ index: uint48, term: uint48 })),
  truncateFrom: fc.option(uint48),
  entries: fc.array(
    fc.record({
      index: uint48,
      term: uint48,
      kind: fc.constantFrom(...Object.values(EntryKind)),
      payload: fc.uint8Array({ maxLength: 700 }),
    }),
    { maxLength: 5 },
  ),
});

function encode(list: readonly LogBatch[]): Buffer {
  return encodeBatches(
    list,
    list.reduce((sum, batch) => sum + batchBytes(batch), 0),
  );
}

describe('record', () => {
  it('gives back every batch in order: snapshot, truncation, entries, hard state', () => {
    return fc.assert(
      fc.property(fc.array(batches, { maxLength: 4 }), (list) => {
        const payload = encode(list);
        expect(encodedPayloadBytes(payload)).to.equal(payload.length);
        const expected = list.flatMap(({ snapshot, truncateFrom, entries, hardState }) => [
          ...(snapshot ? [{ type: 'reset', base: snapshot }] : []),
          ...(truncateFrom === null ? [] : [{ type: 'truncation', from: truncateFrom }]),
          ...entries.map((entry) => ({
            type: 'entry',
            entry: { ...entry, payload: Buffer.from(entry.payload) },
          })),
          ...(hardState === null ? [] : [{ type: 'hardState', hardState }]),
        ]);
        expect(decodeRecords(payload, place)).to.deep.equal(expected);
      }),
    );
  });

  it('gives back the end of a segment', () => {
    const records = decodeRecords(encodeSegmentEnd(67_108_864), place);
    expect(records).to.deep.equal([{ type: 'segmentEnd', nextSegmentBytes: 67_108_864 }]);
  });

  it('gives back which segments were given up', () => {
    const base = { index: 2 ** 40, term: 2 ** 41 };
    const payload = encodeRemoval(4_000_000_000, base);
    expect(encodedPayloadBytes(payload)).to.equal(payload.length);
    expect(decodeRecords(payload, place)).to.deep.equal([{ type: 'removal', segment: 4_000_000_000, base }]);
  });

  it('refuses a kind of record that it does not know, since a newer version may depend on it', () => {
    const payload = encodeSegmentEnd(4096);
    payload.writeUInt8(9, 8);
    expect(() => decodeRecords(payload, place))
      .to.throw(/a record of kind 9/)
      .with.property('code', 'unknown_version');
  });

  it('refuses a kind of entry that it does not know', () => {
    const entry = { index: 1, term: 1, kind: EntryKind.Noop, payload: new Uint8Array() };
    const payload = encode([{ hardState: null, truncateFrom: null, entries: [entry] }]);
    payload.writeUInt8(77, payload.length - 1);
    expect(() => decodeRecords(payload, place))
      .to.throw(/an entry of kind 77/)
      .with.property('code', 'unknown_version');
  });

  it('refuses lengths that do not fit, naming the place', () => {
    for (const length of [0, 1, 6, 8, 500]) {
      const payload = encodeSegmentEnd(4096);
      payload.writeUInt32LE(length, 4);
      expect(() => decodeRecords(payload, place), String(length))
        .to.throw(/00000001\.wal" is damaged at byte 512/)
        .with.property('code', 'corrupt');
    }
  });

  it('refuses to write the name of a member that would not fit into a header', () => {
    const hardState = { term: 1, votedFor: 'é'.repeat(129) };
    expect(() => encode([{ hardState, truncateFrom: null, entries: [] }])).to.throw(/exceeds 256 bytes/);
  });
});
