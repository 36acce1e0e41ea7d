import { expect } from 'chai';
import { describe, it } from 'mocha';
import { advanceLogPosition } from '../../src/log/log-position.ts';
import type { LogBatch } from '../../src/log/log-store.ts';
import { createEntry } from './log-history.ts';

const position = { lastIndex: 5, hardState: { term: 3, votedFor: 'slimfaas-0' } };
const nothing: LogBatch = { hardState: null, truncateFrom: null, entries: [] };

describe('advanceLogPosition', () => {
  it('truncates, then appends, then takes the hard state', () => {
    const hardState = { term: 4, votedFor: null };
    const batch = { truncateFrom: 3, entries: [createEntry(3, 4, 1), createEntry(4, 4, 1)], hardState };
    expect(advanceLogPosition(position, batch)).to.deep.equal({ lastIndex: 4, hardState });
    expect(advanceLogPosition(position, nothing)).to.deep.equal(position);
  });

  const refused: [string, Partial<LogBatch>][] = [
    ['an entry that leaves a gap', { entries: [createEntry(7, 3, 1)] }],
    ['an entry that is there already', { entries: [createEntry(5, 3, 1)] }],
    ['a gap inside the batch', { entries: [createEntry(6, 3, 1), createEntry(8, 3, 1)] }],
    ['a term that decreases', { entries: [createEntry(6, 3, 1), createEntry(7, 2, 1)] }],
    ['a truncation behind the end', { truncateFrom: 7 }],
    ['a truncation from zero', { truncateFrom: 0 }],
    ['an older term', { hardState: { term: 2, votedFor: 'slimfaas-0' } }],
    ['another vote in the same term', { hardState: { term: 3, votedFor: 'slimfaas-1' } }],
    ['a vote taken back', { hardState: { term: 3, votedFor: null } }],
    ['a name that is too long', { hardState: { term: 4, votedFor: 'x'.repeat(257) } }],
    ['a term beyond 48 bits', { hardState: { term: 2 ** 48, votedFor: null } }],
  ];
  for (const [what, change] of refused) {
    it(`refuses ${what}`, () => {
      expect(() => advanceLogPosition(position, { ...nothing, ...change })).to.throw();
    });
  }
});
