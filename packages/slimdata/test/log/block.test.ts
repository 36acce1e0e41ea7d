import { expect } from 'chai';
import * as fc from 'fast-check';
import { describe, it } from 'mocha';
import { blockBytes, blockContentBytes, finishBlock, inspectBlock } from '../../src/log/block.ts';

function finished(content: Uint8Array, seed: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.set(content.subarray(0, blockContentBytes));
  finishBlock(block, seed);
  return block;
}

const contents = fc.oneof(
  fc.uint8Array({ maxLength: blockContentBytes }),
  fc.constant(new Uint8Array(blockContentBytes)),
  fc.constant(new Uint8Array(1).fill(1)),
);
const seeds = fc.integer({ min: 0, max: 0xffffffff });

describe('inspectBlock', () => {
  it('finds what was finished valid, under its own seed only', () => {
    return fc.assert(
      fc.property(contents, seeds, seeds, (content, seed, other) => {
        const block = finished(content, seed);
        expect(inspectBlock(block, seed)).to.equal('valid');
        if (other !== seed) expect(inspectBlock(block, other)).to.equal('bad');
      }),
    );
  });

  it('finds a block that was never written zero, whatever the seed', () => {
    return fc.assert(fc.property(seeds, (seed) => inspectBlock(Buffer.alloc(blockBytes), seed) === 'zero'));
  });

  it('finds a block whose end was not written cut, or valid when nothing but the trailer is missing', () => {
    return fc.assert(
      fc.property(contents, seeds, fc.integer({ min: 1, max: blockBytes - 1 }), (content, seed, bytes) => {
        const block = finished(content, seed);
        block.fill(0, bytes);
        const isZero = block.every((byte) => byte === 0);
        const isComplete = block.subarray(0, 508).equals(finished(content, seed).subarray(0, 508));
        if (isComplete) expect(inspectBlock(block, seed)).to.equal('valid');
        else if (isZero) expect(inspectBlock(block, seed)).to.equal('zero');
        else expect(inspectBlock(block, seed)).to.equal('cut');
      }),
      { numRuns: 500 },
    );
  });

  it('never takes a block with one changed byte for an unwritten or a cut one', () => {
    const block = finished(Buffer.from('one sector'), 7);
    for (let offset = 0; offset < blockBytes; offset += 1) {
      for (const change of [0x01, 0x80, 0xff, block[offset] ?? 0]) {
        const changed = Buffer.from(block);
        changed[offset] = (changed[offset] ?? 0) ^ change;
        const expected = change === 0 || offset >= 508 ? 'valid' : 'bad';
        expect(inspectBlock(changed, 7), `byte ${offset}`).to.equal(expected);
      }
    }
  });
});
