import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { Packr, Unpackr } from 'msgpackr';
import { decodeMessage, encodeMessage, FRAME_HEAD_BYTES, type Frame } from '../../src/peers/codec.ts';
import { FrameReader } from '../../src/peers/frame-reader.ts';
import { MalformedError } from '../../src/peers/malformed-error.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { arbitraryFrame, arbitraryFrames, comparable } from './arbitrary-frame.ts';

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

function bodyOf(frame: Frame): Buffer {
  return encodeMessage(frame).subarray(FRAME_HEAD_BYTES);
}

/** The frame, or why it is none; anything else that is thrown fails the test. */
function decodeOrReason(body: Buffer): Frame | string {
  try {
    return decodeMessage(body);
  } catch (error) {
    if (error instanceof MalformedError) {
      return error.message;
    }
    throw error;
  }
}

describe('codec', function () {
  this.timeout(10_000);

  for (const [type, arbitrary] of Object.entries(arbitraryFrames)) {
    it(`gives back every ${type} it encoded`, () => {
      fc.assert(
        fc.property(arbitrary, (frame) => {
          expect(comparable(decodeMessage(bodyOf(frame)))).to.deep.equal(comparable(frame));
        }),
      );
    });
  }

  it('writes MessagePack that another implementation reads', () => {
    fc.assert(
      fc.property(arbitraryFrame, (frame) => {
        const tuple = unpackr.unpack(bodyOf(frame)) as unknown[];
        expect(tuple[0]).to.equal(1);
        expect(tuple).to.have.length(Object.keys(frame).length + 1);
      }),
    );
  });

  it('writes known bytes, so that builds of different days understand each other', () => {
    expect(bodyOf({ type: 'Heartbeat', term: 3, commit: 300, round: 70_000 })).to.deep.equal(
      Buffer.from('95010703cd012cce00011170', 'hex'),
    );
    const entry = { index: 6, term: 2, kind: EntryKind.Command, payload: Buffer.from('hi') };
    const append = { prevLogIndex: 5, prevLogTerm: 1, leaderCommit: 4, entries: [entry] };
    expect(bodyOf({ type: 'AppendEntries', term: 2, ...append })).to.deep.equal(
      Buffer.from('97010502050104919406 0201c4026869'.replaceAll(' ', ''), 'hex'),
    );
  });

  it('hands out payloads as views on the body', () => {
    const body = bodyOf({ type: 'Propose', sequence: 1, payload: Buffer.alloc(1000, 7) });
    const frame = decodeMessage(body);
    expect(frame.type === 'Propose' && frame.payload.buffer).to.equal(body.buffer);
  });

  it('refuses every frame that was cut short or has bytes added', () => {
    fc.assert(
      fc.property(
        arbitraryFrame,
        fc.nat(),
        fc.uint8Array({ minLength: 1, maxLength: 5 }),
        (frame, at, more) => {
          const body = bodyOf(frame);
          expect(decodeOrReason(body.subarray(0, at % body.length))).to.be.a('string');
          expect(decodeOrReason(Buffer.concat([body, more]))).to.be.a('string');
        },
      ),
    );
  });

  it('never answers random bytes with anything but a valid frame or a reason', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const outcome = decodeOrReason(Buffer.from(bytes));
        if (typeof outcome !== 'string') {
          encodeMessage(outcome);
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('survives every changed byte of a valid frame', () => {
    fc.assert(
      fc.property(arbitraryFrame, fc.nat(), fc.nat(255), (frame, at, value) => {
        const body = Buffer.from(bodyOf(frame));
        body[at % body.length] = value;
        const outcome = decodeOrReason(body);
        if (typeof outcome !== 'string') {
          encodeMessage(outcome);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('never answers random MessagePack with anything but a valid frame or a reason', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 70 }),
        fc.array(fc.anything(), { maxLength: 7 }),
        (code, fields) => {
          const outcome = decodeOrReason(packr.pack([1, code, ...fields.map((field) => toPackable(field))]));
          if (typeof outcome !== 'string') {
            encodeMessage(outcome);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  const refused: readonly (readonly [string, unknown, RegExp])[] = [
    ['another version', [2, 9, 1], /version 2/],
    ['an unknown type code', [1, 99, 1], /unknown type code 99/],
    ['a map', { term: 1 }, /expected an array/],
    ['a field too few', [1, 7, 1, 1], /Heartbeat of 4 fields, not 5/],
    ['a field too many', [1, 9, 1, 1], /TimeoutNow of 4 fields, not 3/],
    ['a negative term', [1, 9, -1], /expected a count/],
    ['a fractional term', [1, 9, 1.5], /expected a count/],
    ['a text instead of a count', [1, 9, '1'], /expected a count/],
    ['a count instead of a flag', [1, 2, 1, 1], /expected a flag/],
    ['text instead of bytes', [1, 12, 1, 'payload'], /expected bytes/],
    ['an unknown entry kind', [1, 5, 1, 5, 1, 0, [[6, 1, 3, Buffer.alloc(0)]]], /choice 3 is outside 0-2/],
    ['an unknown reason', [1, 13, 1, 2], /choice 2 is outside 0-1/],
    ['an entry of too few fields', [1, 5, 1, 5, 1, 0, [[6, 1, 1]]], /an entry of 3 fields, not 4/],
    ['entries with a gap', [1, 5, 1, 5, 1, 0, [[7, 1, 1, Buffer.alloc(0)]]], /entry 7 follows 5/],
  ];
  for (const [what, tuple, reason] of refused) {
    it(`refuses ${what} and says so`, () => {
      expect(decodeOrReason(packr.pack(tuple))).to.match(reason);
    });
  }

  it('refuses a count beyond the safe integers, and takes the largest of them', () => {
    expect(decodeOrReason(Buffer.from('930109cf0020000000000000', 'hex'))).to.match(
      /exceeds the safe integers/,
    );
    expect(decodeOrReason(Buffer.from('930109cfffffffffffffffff', 'hex'))).to.match(
      /exceeds the safe integers/,
    );
    const largest = { type: 'TimeoutNow', term: Number.MAX_SAFE_INTEGER };
    expect(decodeOrReason(Buffer.from('930109cf001fffffffffffff', 'hex'))).to.deep.equal(largest);
  });

  it('carries any number of entries that fits in a frame', () => {
    for (const number of [15, 16, 0xffff, 0x10000]) {
      const entries = Array.from({ length: number }, (_, at) => ({
        index: at + 1,
        term: 1,
        kind: EntryKind.Noop,
        payload: new Uint8Array(0),
      }));
      const append = { prevLogIndex: 0, prevLogTerm: 0, leaderCommit: 0, entries };
      const decoded = decodeMessage(bodyOf({ type: 'AppendEntries', term: 1, ...append }));
      expect(decoded.type === 'AppendEntries' && decoded.entries.at(-1)?.index).to.equal(number);
    }
  });

  it('refuses an array that announces more elements than there are bytes, without allocating them', () => {
    const body = Buffer.from('97010501050100ddffffffff', 'hex');
    expect(decodeOrReason(body)).to.match(/an array of 4294967295 does not fit/);
  });

  it('refuses deep nesting without following it', () => {
    expect(decodeOrReason(Buffer.alloc(1_000_000, 0x91))).to.match(/expected a count/);
  });

  it('asserts that what this member sends is in range', () => {
    expect(() => encodeMessage({ type: 'TimeoutNow', term: -1 })).to.throw(/safe integer >= 0, got -1/);
    expect(() => encodeMessage({ type: 'TimeoutNow', term: 0.5 })).to.throw(/got 0.5/);
  });

  it('keeps small frames small, also after a large one', () => {
    encodeMessage({ type: 'Propose', sequence: 1, payload: Buffer.alloc(3_000_000) });
    const small = encodeMessage({ type: 'Ping' });
    expect(small.buffer.byteLength).to.be.at.most(8192);
  });

  it('frames what a FrameReader takes', () => {
    fc.assert(
      fc.property(arbitraryFrame, (frame) => {
        const reader = new FrameReader(10_000);
        reader.push(encodeMessage(frame));
        expect(reader.next()).to.deep.equal(bodyOf(frame));
        expect(reader.next()).to.equal(null);
      }),
    );
  });
});

function toPackable(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? 0 : each)) ?? 'null',
  );
}
