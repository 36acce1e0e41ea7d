import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { LogError } from '../../src/log/log-error.ts';
import { LogImage } from '../../src/log/log-image.ts';
import type { LogChange } from '../../src/log/record.ts';
import type { SegmentHeader } from '../../src/log/segment-header.ts';
import { createEntry } from './log-history.ts';

const place = { path: '/log/00000001.wal', offset: 512 };
const start = { sequence: 1, chain: 0 };
const header: SegmentHeader = {
  number: 4,
  diskId: 'ab'.repeat(16),
  before: { index: 10, term: 4 },
  sequence: 1,
  segmentBytes: 2048,
  baseSegment: 4,
  chain: 0,
  hardState: { term: 5, votedFor: 'slimfaas-0' },
};
const expected = { number: 4, bytes: 2048, start };

/** A log whose older segments were removed; it begins at entry 11. */
function createImage(): LogImage {
  const image = new LogImage();
  image.applyHeader(header, expected, place);
  return image;
}

function entry(index: number, term: number): LogChange {
  return { type: 'entry', entry: createEntry(index, term, 1) };
}

describe('LogImage', () => {
  it('begins where the first header says, with the hard state of that header', () => {
    const image = createImage();
    image.applyChange(entry(11, 5), place);
    expect(image.lastIndex).to.equal(11);
    expect(image.hardState).to.deep.equal({ term: 5, votedFor: 'slimfaas-0' });
    expect(image.baseSegment).to.equal(4);
    expect(image.base).to.deep.equal({ index: 10, term: 4 });
  });

  it('begins anew behind a snapshot, wherever that lies', () => {
    for (const index of [3, 11, 500]) {
      const image = createImage();
      image.applyChange(entry(11, 5), place);
      image.applyChange({ type: 'reset', base: { index, term: 5 } }, place);
      expect(image.entries).to.deep.equal([]);
      image.applyChange(entry(index + 1, 5), place);
      expect(image.base).to.deep.equal({ index, term: 5 });
      expect(image.lastIndex).to.equal(index + 1);
    }
  });

  it('leaves out the entries of segments that were given up while their files are still there', () => {
    const image = createImage();
    for (const index of [11, 12]) image.applyChange(entry(index, 5), place);
    const end = { sequence: 2, chain: 99 };
    const second = { ...header, number: 5, before: { index: 12, term: 5 }, ...end };
    image.applyHeader(second, { number: 5, bytes: 2048, start: end }, place);
    image.applyChange(entry(13, 6), place);
    image.applyChange({ type: 'removal', segment: 5, base: { index: 12, term: 5 } }, place);
    expect(image.entries.map(({ index }) => index)).to.deep.equal([13]);
    expect(image.base).to.deep.equal({ index: 12, term: 5 });
    expect(image.baseSegment).to.equal(5);
  });

  it('has nothing to leave out where it begins behind what was given up', () => {
    const image = createImage();
    image.applyChange({ type: 'removal', segment: 4, base: { index: 7, term: 3 } }, place);
    expect(image.base).to.deep.equal({ index: 10, term: 4 });
  });

  it('follows appends, truncations and hard states', () => {
    const image = createImage();
    for (const index of [11, 12, 13]) image.applyChange(entry(index, 5), place);
    image.applyChange({ type: 'truncation', from: 12 }, place);
    image.applyChange(entry(12, 6), place);
    image.applyChange({ type: 'hardState', hardState: { term: 6, votedFor: null } }, place);
    expect(image.entries.map(({ index, term }) => [index, term])).to.deep.equal([
      [11, 5],
      [12, 6],
    ]);
    expect(image.hardState).to.deep.equal({ term: 6, votedFor: null });
  });

  const senseless: [string, LogChange][] = [
    ['a hole', entry(13, 5)],
    ['an entry twice', entry(11, 5)],
    ['a term that decreases', entry(12, 4)],
    ['a truncation of what is no longer there', { type: 'truncation', from: 9 }],
    ['a truncation of the base', { type: 'truncation', from: 10 }],
    ['a removal of the segment itself', { type: 'removal', segment: 5, base: { index: 11, term: 5 } }],
    ['a removal taken back', { type: 'removal', segment: 3, base: { index: 10, term: 4 } }],
    ['a removal of what is not there', { type: 'removal', segment: 4, base: { index: 12, term: 5 } }],
    ['a removal of another entry', { type: 'removal', segment: 4, base: { index: 11, term: 4 } }],
    ['a removal of another base', { type: 'removal', segment: 4, base: { index: 10, term: 3 } }],
    ['a truncation behind the end', { type: 'truncation', from: 13 }],
    ['a vote that changes', { type: 'hardState', hardState: { term: 5, votedFor: 'slimfaas-1' } }],
    ['a hole behind the base', { type: 'entry', entry: createEntry(1, 5, 1) }],
    ['an older term', { type: 'hardState', hardState: { term: 4, votedFor: null } }],
  ];
  for (const [what, change] of senseless) {
    it(`refuses ${what}, even under valid checksums`, () => {
      const image = createImage();
      image.applyChange(entry(11, 5), place);
      expect(() => image.applyChange(change, place))
        .to.throw()
        .with.property('code', 'corrupt');
    });
  }

  const mismatches: [string, Partial<SegmentHeader>, LogError['code']][] = [
    ['disk', { diskId: 'cd'.repeat(16) }, 'foreign_disk'],
    ['number', { number: 6 }, 'corrupt'],
    ['size', { segmentBytes: 4096 }, 'corrupt'],
    ['chain', { chain: 7 }, 'corrupt'],
    ['sequence', { sequence: 3 }, 'corrupt'],
    ['index', { before: { index: 11, term: 4 } }, 'corrupt'],
    ['term of the entry before', { before: { index: 10, term: 3 } }, 'corrupt'],
    ['base', { baseSegment: 5 }, 'corrupt'],
    ['term', { hardState: { term: 4, votedFor: 'slimfaas-0' } }, 'corrupt'],
    ['vote', { hardState: { term: 5, votedFor: null } }, 'corrupt'],
  ];
  for (const [what, change, code] of mismatches) {
    it(`refuses a later header with another ${what}`, () => {
      const later = { ...header, number: 5, sequence: 2, chain: 99 };
      const after = { number: 5, bytes: 2048, start: { sequence: 2, chain: 99 } };
      createImage().applyHeader(later, after, place);
      expect(() => createImage().applyHeader({ ...later, ...change }, after, place))
        .to.throw()
        .with.property('code', code);
    });
  }
});
