import { expect } from 'chai';
import { describe, it } from 'mocha';
import { EventQueue } from './event-queue.ts';
import { Prng } from './prng.ts';

describe('EventQueue', () => {
  it('runs actions in order of time, and in order of scheduling at equal times', () => {
    const queue = new EventQueue();
    const random = new Prng(1);
    const ran: [number, number][] = [];
    for (let number = 0; number < 500; number++) {
      const delay = random.integer(0, 40);
      queue.schedule(delay, () => ran.push([delay, number]));
    }
    while (queue.runNext()) {
      expect(queue.now).to.equal(ran.at(-1)?.[0]);
    }
    const sorted = [...ran].sort(([atA, a], [atB, b]) => atA - atB || a - b);
    expect(ran).to.have.length(500);
    expect(ran).to.deep.equal(sorted);
  });

  it('counts delays from the time of the action that schedules', () => {
    const queue = new EventQueue();
    const times: number[] = [];
    queue.schedule(10, () => queue.schedule(5, () => times.push(queue.now)));
    queue.schedule(12, () => times.push(queue.now));
    while (queue.runNext()) {
      // runs to the end
    }
    expect(times).to.deep.equal([12, 15]);
    expect(queue.length).to.equal(0);
  });
});
