import { expect } from 'chai';
import { describe, it } from 'mocha';
import {
  advanceLogPosition,
  baseOf,
  createLogPosition,
  lastOf,
  rebaseLogPosition,
} from '../../src/log/log-position.ts';
import type { LogBatch } from '../../src/log/log-store.ts';
import { createEntry } from './log-history.ts';

const base = { index: 2, term: 1 };
const terms = [base, { index: 4, term: 3 }];
const position = { lastIndex: 5, hardState: { term: 3, votedFor: 'slimfaas-0' }, terms };
const nothing: LogBatch = { hardState: null, truncateFrom: null, entries: [] };

describe('advanceLogPosition', () => {
  it('truncates, then appends, then takes the hard state', () => {
    const hardState = { term: 4, votedFor: null };
    const batch = { truncateFrom: 4, entries: [createEntry(4, 4, 1), createEntry(5, 4, 1)], hardState };
    const after = { lastIndex: 5, hardState, terms: [base, { index: 4, term: 4 }] };
    expect(advanceLogPosition(position, batch)).to.deep.equal(after);
    expect(advanceLogPosition(position, nothing)).to.deep.equal(position);
  });

  it('begins anew behind a snapshot, with its entries', () => {
    const batch = { ...nothing, snapshot: { index: 4, term: 2 }, entries: [createEntry(5, 3, 1)] };
    const after = advanceLogPosition(position, batch);
    expect(after.terms).to.deep.equal([
      { index: 4, term: 2 },
      { index: 5, term: 3 },
    ]);
    expect(lastOf(after)).to.deep.equal({ index: 5, term: 3 });
  });

  it('knows the term of the last entry also after a truncation', () => {
    expect(lastOf(position)).to.deep.equal({ index: 5, term: 3 });
    expect(lastOf(advanceLogPosition(position, { ...nothing, truncateFrom: 4 }))).to.deep.equal({
      index: 3,
      term: 1,
    });
    expect(lastOf(advanceLogPosition(position, { ...nothing, truncateFrom: 3 }))).to.deep.equal(base);
  });

  it('takes no memory for further entries of one term', () => {
    const after = advanceLogPosition(position, { ...nothing, entries: [createEntry(6, 3, 1)] });
    expect(after.terms).to.equal(terms);
  });

  const refused: [string, Partial<LogBatch>][] = [
    ['an entry that leaves a gap', { entries: [createEntry(7, 3, 1)] }],
    ['an entry that is there already', { entries: [createEntry(5, 3, 1)] }],
    ['a gap inside the batch', { entries: [createEntry(6, 3, 1), createEntry(8, 3, 1)] }],
    ['a term that decreases', { entries: [createEntry(6, 3, 1), createEntry(7, 2, 1)] }],
    ['a truncation behind the end', { truncateFrom: 7 }],
    ['a truncation of the base', { truncateFrom: 2 }],
    ['a term below that of the last entry', { entries: [createEntry(6, 2, 1)] }],
    ['a snapshot older than the base', { snapshot: { index: 1, term: 1 } }],
    ['a snapshot of the base in another term', { snapshot: { index: 2, term: 2 } }],
    ['a later snapshot of an older term', { snapshot: { index: 9, term: 0 } }],
    ['a snapshot and a truncation', { snapshot: { index: 3, term: 1 }, truncateFrom: 4 }],
    ['a hole behind a snapshot', { snapshot: { index: 9, term: 3 }, entries: [createEntry(11, 3, 1)] }],
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

describe('LogPosition', () => {
  it('is read from what was recovered', () => {
    const entries = [createEntry(3, 1, 1), createEntry(4, 3, 1), createEntry(5, 3, 1)];
    expect(createLogPosition({ base, entries, hardState: position.hardState })).to.deep.equal(position);
  });

  it('forgets what was removed, and never goes back', () => {
    const later = rebaseLogPosition(position, { index: 4, term: 3 });
    expect(later.terms).to.deep.equal([{ index: 4, term: 3 }]);
    expect(lastOf(later)).to.deep.equal({ index: 5, term: 3 });
    expect(baseOf(rebaseLogPosition(position, { index: 3, term: 1 }))).to.deep.equal({ index: 3, term: 1 });
    expect(rebaseLogPosition(later, base)).to.equal(later);
  });
});
