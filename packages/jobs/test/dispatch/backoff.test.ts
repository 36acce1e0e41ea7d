import { expect } from 'chai';
import { describe, it } from 'mocha';
import { backoffDelayMs } from '../../src/dispatch/backoff.ts';

describe('backoffDelayMs', () => {
  it('doubles from its minimum up to its maximum, however many failures there are', () => {
    const delays = [1, 2, 3, 4, 5, 1000].map((failures) =>
      backoffDelayMs({ minMs: 100, maxMs: 700 }, failures),
    );
    expect(delays).to.deep.equal([100, 200, 400, 700, 700, 700]);
  });
});
