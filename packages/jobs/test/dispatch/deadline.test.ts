import { expect } from 'chai';
import { describe, it } from 'mocha';
import { withDeadline } from '../../src/dispatch/deadline.ts';
import { ManualClock } from './manual-clock.ts';

const late = (): Error => new Error('late');

describe('withDeadline', () => {
  it('passes on an answer in time, and leaves no timer', async () => {
    const clock = new ManualClock();
    expect(await withDeadline(Promise.resolve('answer'), 10, clock, late)).to.equal('answer');
    expect(clock.delays).to.deep.equal([]);
  });

  it('passes on a failure in time', async () => {
    const failing = withDeadline(Promise.reject(new Error('broken')), 10, new ManualClock(), late);
    expect(await failing.catch(({ message }) => message)).to.equal('broken');
  });

  it('fails at the deadline when there is no answer', async () => {
    const clock = new ManualClock();
    const waiting = withDeadline(new Promise(() => {}), 10, clock, late);
    clock.advance(10);
    expect(await waiting.catch(({ message }) => message)).to.equal('late');
  });
});
