import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { createJobId, isJobId } from '../../src/model/job-id.ts';
import { randomBytes } from './arbitraries.ts';

describe('createJobId', () => {
  it('is a version 4 UUID', () => {
    expect(createJobId((size) => new Uint8Array(size))).to.equal('00000000-0000-4000-8000-000000000000');
    expect(createJobId((size) => new Uint8Array(size).fill(255))).to.equal(
      'ffffffff-ffff-4fff-bfff-ffffffffffff',
    );
  });

  it('needs no escaping in a URL and passes isJobId', () => {
    fc.assert(
      fc.property(randomBytes, (random) => {
        const id = createJobId(random);
        expect(encodeURIComponent(id)).to.equal(id);
        expect(isJobId(id)).to.equal(true);
      }),
    );
  });

  it('keeps 122 of the 128 bits', () => {
    fc.assert(
      fc.property(fc.nat(127), (bit) => {
        const bytes = new Uint8Array(16);
        bytes[bit >> 3] = 1 << (bit & 7);
        const differs = createJobId(() => bytes) !== createJobId(() => new Uint8Array(16));
        expect(differs).to.equal(![52, 53, 54, 55, 70, 71].includes(bit));
      }),
    );
  });

  it('leaves the bytes it was given as they were', () => {
    const bytes = new Uint8Array(16).fill(255);
    createJobId(() => bytes);
    expect(bytes).to.deep.equal(new Uint8Array(16).fill(255));
  });
});

describe('isJobId', () => {
  for (const [text, answer] of [
    ['0', true],
    ['a-b_c', true],
    ['a'.repeat(63), true],
    ['a'.repeat(64), false],
    ['', false],
    ['-a', false],
    ['a/b', false],
    ['a.b', false],
    ['a\n', false],
    ['%2e', false],
  ] as const) {
    it(`says ${answer} to ${JSON.stringify(text)}`, () => {
      expect(isJobId(text)).to.equal(answer);
    });
  }
});
