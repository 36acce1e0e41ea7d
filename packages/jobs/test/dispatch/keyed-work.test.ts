import { expect } from 'chai';
import { describe, it } from 'mocha';
import { KeyedWork, type KeyedWorkOptions } from '../../src/dispatch/keyed-work.ts';
import { ManualClock, turns } from './manual-clock.ts';

function create(overrides: Partial<KeyedWorkOptions> & Pick<KeyedWorkOptions, 'pass'>) {
  const clock = new ManualClock();
  const stop = new AbortController();
  const failures: [key: string, retryAfterMs: number][] = [];
  const work = new KeyedWork({
    onFailure: (key, _error, retryAfterMs) => failures.push([key, retryAfterMs]),
    groupOf: (key) => key,
    groupPassesMax: 1,
    failureBackoff: { minMs: 100, maxMs: 300 },
    clock,
    signal: stop.signal,
    ...overrides,
  });
  return { work, clock, stop, failures };
}

/** A pass that the test ends by hand. */
function heldPass() {
  const begun: string[] = [];
  const release: (() => void)[] = [];
  const pass = (key: string): Promise<null> => {
    begun.push(key);
    return new Promise((resolve) => release.push(() => resolve(null)));
  };
  return { begun, release, pass };
}

describe('KeyedWork', () => {
  it('makes one more pass for any number of wakes during a pass', async () => {
    const { begun, release, pass } = heldPass();
    const { work } = create({ pass });
    work.wake('a');
    for (let wakes = 0; wakes < 5; wakes += 1) work.wake('a');
    expect(begun).to.deep.equal(['a']);
    release[0]?.();
    await turns();
    expect(begun).to.deep.equal(['a', 'a']);
    release[1]?.();
    await turns();
    expect(begun).to.deep.equal(['a', 'a']);
  });

  it('looks again by itself after the delay that the pass asked for', async () => {
    let passes = 0;
    const { work, clock } = create({
      pass: async () => {
        passes += 1;
        return passes === 1 ? 1000 : null;
      },
    });
    work.wake('a');
    await turns();
    clock.advance(999);
    expect(passes).to.equal(1);
    clock.advance(1);
    await turns();
    expect(passes).to.equal(2);
    expect(clock.delays).to.deep.equal([]);
  });

  it('looks at once when it is woken before that delay has passed', async () => {
    let passes = 0;
    const { work, clock } = create({
      pass: async () => {
        passes += 1;
        return 1000;
      },
    });
    work.wake('a');
    await turns();
    work.wake('a');
    await turns();
    expect(passes).to.equal(2);
    expect(clock.delays).to.deep.equal([1000]);
  });

  it('lets a failing key rest ever longer, and no wake shortens that', async () => {
    let passes = 0;
    const { work, clock, failures } = create({
      pass: () => {
        passes += 1;
        return Promise.reject(new Error('broken'));
      },
    });
    work.wake('a');
    for (const delay of [100, 200, 300, 300]) {
      await turns();
      work.wake('a');
      clock.advance(delay - 1);
      const before = passes;
      clock.advance(1);
      expect(passes).to.equal(before + 1);
    }
    await turns();
    expect(failures.map(([, retryAfterMs]) => retryAfterMs)).to.deep.equal([100, 200, 300, 300, 300]);
  });

  it('does not let one key wait for another that fails or is slow', async () => {
    const { begun, pass } = heldPass();
    const { work, failures } = create({
      pass: (key) => (key === 'bad' ? Promise.reject(new Error('broken')) : pass(key)),
    });
    for (const key of ['bad', 'slow', 'good']) work.wake(key);
    await turns();
    expect(begun).to.deep.equal(['slow', 'good']);
    expect(failures.map(([key]) => key)).to.deep.equal(['bad']);
  });

  it('bounds the passes of a group and takes the others in their order', async () => {
    const { begun, release, pass } = heldPass();
    const { work } = create({ pass, groupOf: (key) => key.charAt(0), groupPassesMax: 2 });
    for (const key of ['a1', 'a2', 'a3', 'a4', 'b1']) work.wake(key);
    expect(begun).to.deep.equal(['a1', 'a2', 'b1']);
    release[1]?.();
    await turns();
    expect(begun).to.deep.equal(['a1', 'a2', 'b1', 'a3']);
    release[0]?.();
    await turns();
    expect(begun).to.deep.equal(['a1', 'a2', 'b1', 'a3', 'a4']);
  });

  it('begins nothing after its signal, and settles when what was under way has ended', async () => {
    const { begun, release, pass } = heldPass();
    const { work, stop, clock } = create({ pass });
    work.wake('a');
    work.wake('a');
    stop.abort();
    work.wake('b');
    let settled = false;
    const settling = work.settled().then(() => {
      settled = true;
    });
    await turns();
    expect(settled).to.equal(false);
    release[0]?.();
    await settling;
    expect(begun).to.deep.equal(['a']);
    expect(clock.delays).to.deep.equal([]);
  });
});
