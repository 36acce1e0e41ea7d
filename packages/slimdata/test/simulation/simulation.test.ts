import { randomInt } from 'node:crypto';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { batchMarks } from './marks.ts';
import { simulateBatch } from './simulate-batch.ts';
import { simulateSeed } from './simulate-seed.ts';

/** About twenty seconds of one core; more with `npm run simulate -- --minutes M`. */
const freshSeeds = 1500;

/** Seeds that once found something in the core. */
const regressionSeeds: readonly number[] = [];

describe('simulation', function () {
  this.timeout(240_000);
  const firstSeed = randomInt(2 ** 32);

  it(`finds nothing in ${freshSeeds} fresh seeds from ${firstSeed} and takes every rare path`, () => {
    const { committed, marks } = simulateBatch(firstSeed, freshSeeds);
    expect(marks.missing(batchMarks)).to.deep.equal([]);
    expect(committed).to.be.greaterThan(20 * freshSeeds);
  });

  for (const seed of regressionSeeds) {
    it(`finds nothing in seed ${seed} any more`, () => {
      expect(simulateSeed({ seed }).committed).to.be.greaterThan(0);
    });
  }

  it('runs the same seed the same way, event by event, recorded or not', () => {
    for (let seed = firstSeed; seed < firstSeed + 20; seed++) {
      const first = simulateSeed({ seed });
      const second = simulateSeed({ seed });
      const recorded = simulateSeed({ seed, traceLines: 10 });
      expect([second.hash, second.events]).to.deep.equal([first.hash, first.events]);
      expect([recorded.hash, recorded.events]).to.deep.equal([first.hash, first.events]);
      expect(recorded.lines).to.have.length(10);
    }
  });

  it('runs different seeds differently', () => {
    const hashes = new Set<number>();
    for (let seed = 0; seed < 100; seed++) {
      hashes.add(simulateSeed({ seed }).hash);
    }
    expect(hashes.size).to.equal(100);
  });
});
