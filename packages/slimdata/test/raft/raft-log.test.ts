import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { createConfiguration } from '../../src/raft/configuration.ts';
import { RaftLog } from '../../src/raft/raft-log.ts';
import { entriesOf } from './core-fixture.ts';

const configuration = createConfiguration(['a', 'b', 'c']);

/** A log that begins after `base` with entries of the given terms, applied up to `applied`. */
function logAfter(
  base: { index: number; term: number },
  terms: readonly number[],
  applied = base.index,
): RaftLog {
  const entries = entriesOf(terms, base.index + 1);
  const term = applied === base.index ? base.term : (terms[applied - base.index - 1] ?? 0);
  return RaftLog.recovered(base, entries, { index: applied, term, configuration });
}

/** As `logAfter` from the very beginning, with everything committed and handed out. */
function deliveredLog(terms: readonly number[]): RaftLog {
  const log = logAfter({ index: 0, term: 0 }, terms);
  log.commitTo(terms.length);
  log.takeCommitted();
  return log;
}

describe('raft-log: compaction (paper §7)', () => {
  it('forgets the entries up to an index and keeps the term found there', () => {
    const log = deliveredLog([1, 1, 2, 3]);
    log.compact(3);
    expect(log.base).to.deep.equal({ index: 3, term: 2 });
    expect([2, 3, 4, 5].map((index) => log.termAt(index))).to.deep.equal([undefined, 2, 3, undefined]);
    expect([3, 4].map((index) => log.entryAt(index)?.term)).to.deep.equal([undefined, 3]);
    expect([log.lastIndex, log.lastTerm, log.commitIndex, log.durableIndex]).to.deep.equal([4, 3, 4, 4]);
  });

  it('to the tip leaves an empty log that still ends where it did', () => {
    const log = deliveredLog([1, 2]);
    log.compact(2);
    expect([log.lastIndex, log.lastTerm]).to.deep.equal([2, 2]);
    expect(log.isUpToDate(2, 2)).to.equal(true);
    expect(log.isUpToDate(1, 2)).to.equal(false);
    log.append(entriesOf([3], 3));
    expect(log.entriesFrom(3, 1000)).to.deep.equal(entriesOf([3], 3));
    expect(log.takeWrite(1)).to.deep.equal({
      snapshot: null,
      truncateFrom: null,
      entries: entriesOf([3], 3),
    });
  });

  it('may be asked for again, or for less, and never goes back', () => {
    const log = deliveredLog([1, 1, 1]);
    log.compact(2);
    log.compact(2);
    log.compact(1);
    log.compact(0);
    expect(log.base.index).to.equal(2);
  });

  it('never passes what was handed out to be applied', () => {
    const log = logAfter({ index: 0, term: 0 }, [1, 1, 1]);
    log.commitTo(2);
    expect(() => log.compact(1)).to.throw('up to 1 compacted, but only those up to 0');
    log.takeCommitted();
    log.compact(2);
    expect(() => log.compact(3)).to.throw('up to 3 compacted');
  });

  it('does not disturb the marks of what is written and removed', () => {
    const log = deliveredLog([1, 1]);
    log.append(entriesOf([1, 1], 3));
    log.compact(2);
    log.takeWrite(1);
    log.merge(entriesOf([2], 3));
    expect(log.takeWrite(2)).to.deep.equal({ snapshot: null, truncateFrom: 3, entries: entriesOf([2], 3) });
    log.written(1);
    expect(log.durableIndex).to.equal(2);
    log.written(2);
    expect([log.durableIndex, log.lastIndex]).to.deep.equal([3, 3]);
  });

  it('changes nothing about what is handed out, whenever it happens', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(3), { minLength: 1, maxLength: 20 }),
        fc.array(fc.nat(25)),
        (steps, compactions) => {
          const terms = steps.map((_, i) => 1 + Math.floor(i / 3));
          const log = logAfter({ index: 0, term: 0 }, terms);
          const delivered = steps.flatMap((step, i) => {
            log.commitTo(Math.min(terms.length, log.commitIndex + step));
            const taken = log.takeCommitted();
            log.compact(Math.min(compactions[i] ?? 0, log.commitIndex));
            return taken;
          });
          expect(delivered).to.deep.equal(entriesOf(terms).slice(0, log.commitIndex));
        },
      ),
    );
  });
});

describe('raft-log: where the logs may agree', () => {
  it('is looked for down to the base, and below it only bounded', () => {
    const log = logAfter({ index: 10, term: 4 }, [4, 6, 6]);
    expect(log.lastPossibleMatch(13, 5)).to.equal(11);
    expect(log.lastPossibleMatch(13, 4)).to.equal(11);
    expect(log.lastPossibleMatch(13, 3)).to.equal(9);
    expect(log.lastPossibleMatch(10, 4)).to.equal(10);
    expect(log.lastPossibleMatch(7, 1)).to.equal(7);
    expect(log.lastPossibleMatch(100, 6)).to.equal(13);
  });
});

describe('raft-log: start', () => {
  it('goes on after the checkpoint, with the margin of entries before it', () => {
    const log = logAfter({ index: 3, term: 1 }, [1, 2, 2], 5);
    expect([log.base.index, log.commitIndex, log.lastIndex]).to.deep.equal([3, 5, 6]);
    log.commitTo(6);
    expect(log.takeCommitted()).to.deep.equal(entriesOf([2], 6));
    expect(log.takeWrite(1)).to.equal(null);
  });

  it('begins anew after a checkpoint that the log does not reach, or contradicts', () => {
    for (const terms of [
      [1, 1],
      [1, 1, 2, 2, 2],
    ]) {
      const log = RaftLog.recovered({ index: 0, term: 0 }, entriesOf(terms), {
        index: 4,
        term: 3,
        configuration,
      });
      expect([log.base, log.lastIndex, log.commitIndex]).to.deep.equal([{ index: 4, term: 3 }, 4, 4]);
      expect(log.takeWrite(1)).to.deep.equal({
        snapshot: { index: 4, term: 3 },
        truncateFrom: null,
        entries: [],
      });
    }
  });
});

describe('raft-log: beginning anew after a snapshot (paper §7, figure 13)', () => {
  it('drops everything and is one write with what is appended after it', () => {
    const log = logAfter({ index: 0, term: 0 }, [1, 1, 1]);
    log.reset({ index: 10, term: 4 }, configuration);
    log.append(entriesOf([4, 5], 11));
    expect([log.lastIndex, log.commitIndex, log.durableIndex]).to.deep.equal([12, 10, 10]);
    expect(log.takeWrite(1)).to.deep.equal({
      snapshot: { index: 10, term: 4 },
      truncateFrom: null,
      entries: entriesOf([4, 5], 11),
    });
    log.written(1);
    expect(log.durableIndex).to.equal(12);
  });

  it('makes writes that were under way count for nothing', () => {
    const log = logAfter({ index: 0, term: 0 }, []);
    log.append(entriesOf(Array(20).fill(1)));
    log.takeWrite(1);
    log.reset({ index: 10, term: 4 }, configuration);
    log.append(entriesOf([4, 4], 11));
    log.takeWrite(2);
    log.written(1);
    expect(log.durableIndex).to.equal(10);
    log.written(2);
    expect(log.durableIndex).to.equal(12);
  });

  it('takes the place of a removal that was not written yet', () => {
    const log = logAfter({ index: 0, term: 0 }, [1, 1, 1]);
    log.merge(entriesOf([2], 2));
    log.reset({ index: 10, term: 4 }, configuration);
    expect(log.takeWrite(1)).to.deep.equal({
      snapshot: { index: 10, term: 4 },
      truncateFrom: null,
      entries: [],
    });
  });

  it('never takes back what is committed', () => {
    const log = logAfter({ index: 0, term: 0 }, [1, 1, 1]);
    log.commitTo(2);
    expect(() => log.reset({ index: 2, term: 1 }, configuration)).to.throw('committed up to 2');
  });
});
