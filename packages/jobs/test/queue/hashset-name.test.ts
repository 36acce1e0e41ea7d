import { expect } from 'chai';
import { describe, it } from 'mocha';
import { hashsetName, parseHashsetName } from '../../src/queue/hashset-name.ts';

describe('hashset name', () => {
  it('takes apart what it put together, for each phase', () => {
    for (const phase of ['Queue', 'Run', 'History'] as const) {
      expect(parseHashsetName(hashsetName(phase, 'fib_1'))).to.deep.equal({ phase, jobName: 'fib_1' });
    }
  });

  it('knows no phase in the names of other hashsets', () => {
    for (const name of ['ScheduleJob:fibonacci', 'Queue', 'queue:fibonacci', '', ':x', 'UnknownNames']) {
      expect(parseHashsetName(name), name).to.equal(null);
    }
  });
});
