import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { encodeMessage } from '../../src/peers/codec.ts';
import { FrameReader } from '../../src/peers/frame-reader.ts';
import { MalformedError } from '../../src/peers/malformed-error.ts';
import { arbitraryFrame } from './arbitrary-frame.ts';

function readAll(reader: FrameReader, chunks: readonly Buffer[]): Buffer[] {
  const bodies: Buffer[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let body = reader.next(); body !== null; body = reader.next()) {
      bodies.push(body);
    }
  }
  return bodies;
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let position = 0;
  for (let turn = 0; position < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunks.push(bytes.subarray(position, position + size));
    position += size;
  }
  return chunks;
}

describe('FrameReader', function () {
  this.timeout(10_000);

  it('finds the same frames however the stream is cut into chunks', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(arbitraryFrame, { maxLength: 10 }), sizes, (frames, chunkSizes) => {
        const encoded = frames.map((frame) => encodeMessage(frame));
        const bodies = readAll(new FrameReader(20_000), cut(Buffer.concat(encoded), chunkSizes));
        expect(bodies).to.deep.equal(encoded.map((frame) => frame.subarray(8)));
      }),
    );
  });

  it('hands out a view when the body lies within one chunk', () => {
    const frame = encodeMessage({ type: 'Propose', sequence: 1, payload: Buffer.alloc(100_000) });
    const [body] = readAll(new FrameReader(200_000), [frame]);
    expect(body?.buffer).to.equal(frame.buffer);
  });

  it('keeps no more than the body when it spans chunks', () => {
    const frame = encodeMessage({ type: 'Propose', sequence: 1, payload: Buffer.alloc(100_000) });
    const [body] = readAll(new FrameReader(200_000), cut(frame, [60_000]));
    expect(body?.buffer.byteLength).to.equal(frame.length - 8);
  });

  it('refuses a length above its bound before any of the body has come', () => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(1001);
    const reader = new FrameReader(1000);
    reader.push(head);
    expect(() => reader.next()).to.throw(MalformedError, /1001 bytes exceeds the bound of 1000/);
  });

  it('takes a body of exactly its bound', () => {
    const frame = encodeMessage({ type: 'Propose', sequence: 1, payload: Buffer.alloc(1000) });
    expect(readAll(new FrameReader(frame.length - 8), [frame])).to.have.length(1);
    expect(() => readAll(new FrameReader(frame.length - 9), [frame])).to.throw(MalformedError);
  });

  it('notices every changed bit of a frame', () => {
    const frame = encodeMessage({ type: 'Heartbeat', term: 1, commit: 2, round: 3 });
    for (let bit = 0; bit < frame.length * 8; bit += 1) {
      const changed = Buffer.from(frame);
      const at = bit >> 3;
      changed[at] = (changed[at] ?? 0) ^ (1 << (bit & 7));
      const reader = new FrameReader(1000);
      const read = () => readAll(reader, [changed]).length;
      // A longer length makes it wait for more; anything else is refused.
      expect(waitsOrThrows(read), `bit ${bit}`).to.equal(true);
    }
  });

  it('never loops or throws anything else on random bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 20 }), (chunks) => {
        waitsOrThrows(
          () =>
            readAll(
              new FrameReader(256),
              chunks.map((chunk) => Buffer.from(chunk)),
            ).length,
        );
      }),
      { numRuns: 2000 },
    );
  });
});

function waitsOrThrows(read: () => number): boolean {
  try {
    return read() === 0;
  } catch (error) {
    if (error instanceof MalformedError) {
      return true;
    }
    throw error;
  }
}
