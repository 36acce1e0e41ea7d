import { expect } from 'chai';
import { describe, it } from 'mocha';
import { SegmentExtents } from '../../src/log/segment-extents.ts';

/** Segments 1 to 4, begun behind entries 0, 10, 20 and 30. */
function createExtents(changes: (extents: SegmentExtents, segment: number) => void = () => {}) {
  const extents = new SegmentExtents();
  for (const number of [1, 2, 3, 4]) {
    extents.begin(number, { index: (number - 1) * 10, term: number });
    changes(extents, number);
  }
  return extents;
}

describe('SegmentExtents', () => {
  const cases: [number, number][] = [
    [0, 1],
    [9, 1],
    [10, 2],
    [11, 2],
    [29, 3],
    [30, 4],
    [1000, 4],
  ];
  for (const [index, number] of cases) {
    it(`needs segments from ${number} on when nothing up to ${index} is needed`, () => {
      const found = createExtents().firstNeeded(index);
      expect(found).to.deep.equal({ number, base: { index: (number - 1) * 10, term: number } });
    });
  }

  it('keeps the segments whose entries a later truncation reached back to', () => {
    const extents = createExtents((list, segment) => segment === 3 && list.truncate(15));
    expect(extents.firstNeeded(20).number).to.equal(2);
    expect(extents.firstNeeded(29).number).to.equal(2);
    expect(extents.firstNeeded(30).number, 'the next segment does not refer back any more').to.equal(4);
  });

  it('does not count a truncation inside a segment itself', () => {
    const extents = createExtents((list, segment) => segment === 3 && list.truncate(21));
    expect(extents.firstNeeded(20).number).to.equal(3);
  });

  it('needs nothing in front of a snapshot, whatever the index; the snapshot is the base', () => {
    const extents = createExtents((list, segment) => segment === 3 && list.reset());
    expect(extents.firstNeeded(0)).to.deep.equal({ number: 3, base: null });
    expect(extents.firstNeeded(30)).to.deep.equal({ number: 4, base: { index: 30, term: 4 } });
  });

  it('minds a truncation before a snapshot in the same segment, but none behind it', () => {
    const before = createExtents((list, segment) => {
      if (segment === 3) list.truncate(15);
      if (segment === 3) list.reset();
    });
    expect(before.firstNeeded(0)).to.deep.equal({ number: 2, base: null });
    const behind = createExtents((list, segment) => {
      if (segment === 3) list.reset();
      if (segment === 3) list.truncate(5);
    });
    expect(behind.firstNeeded(0)).to.deep.equal({ number: 3, base: null });
  });

  it('forgets what is removed, and tells it newest first', () => {
    const extents = createExtents();
    expect(extents.removeBelow(3)).to.deep.equal([2, 1]);
    expect(extents.removeBelow(3)).to.deep.equal([]);
    expect(extents.firstNeeded(0).number).to.equal(3);
  });
});
