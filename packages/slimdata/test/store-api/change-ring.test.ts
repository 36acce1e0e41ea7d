import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { ChangeRing } from '../../src/store-api/change-ring.ts';
import type { StoreChange } from '../../src/store-api/store-service.ts';

function change(index: number, hashset = 'h', fields: readonly string[] = ['f']): StoreChange {
  return { index, hashsets: new Set([hashset]), fields: new Map([[hashset, new Set(fields)]]) };
}

/** Indexes of all changes from an index on; null = some are gone. */
function indexesFrom(ring: ChangeRing, from: number): number[] | null {
  const indexes: number[] = [];
  let position = ring.find(from);
  if (position === null) {
    return null;
  }
  for (let found = ring.at(position); found !== null; found = ring.at(position)) {
    expect(JSON.parse(found.line)).to.include({ index: found.index });
    indexes.push(found.index);
    position += 1;
  }
  return indexes;
}

describe('ChangeRing', () => {
  it('holds exactly the latest changes, whatever their indexes, and knows from where on', () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 60 });
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 12 }), fc.nat(20), (steps, ringChangesMax, start) => {
        const ring = new ChangeRing({ ringChangesMax, ringBytesMax: 1e9 }, start);
        const all: number[] = [];
        let index = start;
        for (const step of steps) {
          index += step;
          ring.push(change(index));
          all.push(index);
        }
        const kept = all.slice(-ringChangesMax);
        const gone = all.slice(0, -ringChangesMax).at(-1) ?? start;
        expect(ring.oldestIndex).to.equal(gone + 1);
        for (let from = Math.max(0, start - 2); from <= index + 3; from += 1) {
          const expected = from <= gone ? null : kept.filter((each) => each >= from);
          expect(indexesFrom(ring, from)).to.deep.equal(expected);
        }
      }),
    );
  });

  it('is bounded by the size of names too', () => {
    const ring = new ChangeRing({ ringChangesMax: 1000, ringBytesMax: 10_000 }, 0);
    for (let index = 1; index <= 100; index += 1) {
      ring.push(change(index, 'x'.repeat(512), ['y'.repeat(512)]));
    }
    expect(ring.oldestIndex).to.equal(93);
    ring.push(change(101, 'x'.repeat(20_000)));
    expect(ring.oldestIndex).to.equal(102);
    expect(indexesFrom(ring, 102)).to.deep.equal([]);
  });

  it('tells when a position was left behind, also by a reset', () => {
    const ring = new ChangeRing({ ringChangesMax: 2, ringBytesMax: 1e9 }, 0);
    const position = ring.find(1) ?? -1;
    ring.push(change(1));
    ring.push(change(2));
    expect([ring.isGone(position), ring.isGone(ring.endPosition)]).to.deep.equal([false, false]);
    ring.push(change(3));
    expect(ring.isGone(position)).to.equal(true);
    expect(ring.at(position)).to.equal(null);
    const end = ring.endPosition;
    ring.reset(50);
    expect([ring.oldestIndex, ring.endPosition, ring.isGone(end - 1), ring.isGone(end)]).to.deep.equal([
      51,
      end,
      true,
      false,
    ]);
    expect([ring.find(50), ring.find(51)]).to.deep.equal([null, end]);
  });

  it('tells of a hashset without known fields that any may have changed', () => {
    const ring = new ChangeRing({ ringChangesMax: 2, ringBytesMax: 1e9 }, 0);
    ring.push({ index: 1, hashsets: new Set(['a', 'b']), fields: new Map([['a', new Set(['f', 'g'])]]) });
    ring.push({ index: 2, hashsets: new Set(['a']) });
    expect([0, 1].map((position) => JSON.parse(ring.at(position)?.line ?? ''))).to.deep.equal([
      {
        type: 'change',
        index: 1,
        hashsets: [
          { hashset: 'a', fields: ['f', 'g'] },
          { hashset: 'b', fields: null },
        ],
      },
      { type: 'change', index: 2, hashsets: [{ hashset: 'a', fields: null }] },
    ]);
  });
});
