import { expect } from 'chai';
import { describe, it } from 'mocha';
import { Prng } from './prng.ts';

function draw(random: Prng, count: number): number[] {
  return Array.from({ length: count }, () => random.next());
}

describe('Prng', () => {
  it('gives the same numbers for the same seed and others for the next seed', () => {
    expect(draw(new Prng(7), 50)).to.deep.equal(draw(new Prng(7), 50));
    expect(draw(new Prng(7), 50)).not.to.deep.equal(draw(new Prng(8), 50));
  });

  it('is the same on every machine', () => {
    expect(draw(new Prng(1), 3)).to.deep.equal([2420951833, 2513034076, 3847892949]);
  });

  it('forks into streams that do not depend on how much the others draw', () => {
    const first = new Prng(3);
    const second = new Prng(3);
    const fork = first.fork();
    const sameFork = second.fork();
    draw(first, 10);
    expect(draw(fork, 10)).to.deep.equal(draw(sameFork, 10));
    expect(draw(new Prng(3).fork(), 10)).not.to.deep.equal(draw(new Prng(3), 10));
  });

  it('reaches both ends of a range and nothing outside, evenly', () => {
    const random = new Prng(11);
    const counts = new Map<number, number>();
    for (let round = 0; round < 6000; round++) {
      const value = random.integer(-1, 4);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    expect([...counts.keys()].sort((left, right) => left - right)).to.deep.equal([-1, 0, 1, 2, 3, 4]);
    expect(Math.min(...counts.values())).to.be.greaterThan(850);
  });

  it('never takes a chance of 0, always one of 1, and draws nothing for 0', () => {
    const random = new Prng(5);
    const other = new Prng(5);
    expect(Array.from({ length: 100 }, () => random.chance(0))).not.to.include(true);
    expect(random.next()).to.equal(other.next());
    expect(Array.from({ length: 100 }, () => random.chance(1))).not.to.include(false);
  });

  it('refuses to pick from an empty list', () => {
    expect(() => new Prng(1).pick([])).to.throw(RangeError, 'empty list');
  });
});
