import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { SessionTable } from '../../src/state-machine/session-table.ts';

const limits = { sessions: 3, window: 4 };
const result = (index: number) => ({ applied: true, index }) as const;

describe('session table', () => {
  it('does not know a session that was never opened', () => {
    expect(new SessionTable(limits).admit(1, 1, 0, 20)).to.deep.equal({ admitted: 'session_expired' });
  });

  it('answers a repeated sequence with its first result', () => {
    const table = new SessionTable(limits);
    table.open(10);
    expect(table.admit(10, 1, 1, 20)).to.deep.equal({ admitted: 'new' });
    table.remember(10, 1, result(11));
    expect(table.admit(10, 1, 1, 20)).to.deep.equal({ admitted: 'duplicate', result: result(11) });
  });

  it('forgets results below the floor and never admits them again', () => {
    const table = new SessionTable(limits);
    table.open(10);
    for (const sequence of [1, 2]) {
      table.admit(10, sequence, 1, 20);
      table.remember(10, sequence, result(10 + sequence));
    }
    expect(table.admit(10, 3, 3, 20)).to.deep.equal({ admitted: 'new' });
    expect(table.admit(10, 2, 1, 20)).to.deep.equal({ admitted: 'sequence_expired' });
  });

  it('never lowers a floor', () => {
    const table = new SessionTable(limits);
    table.open(10);
    table.admit(10, 5, 5, 20);
    table.admit(10, 5, 0, 20);
    expect(table.admit(10, 4, 0, 20)).to.deep.equal({ admitted: 'sequence_expired' });
  });

  it('does not admit what lies above its window, until the floor rises', () => {
    const table = new SessionTable(limits);
    table.open(10);
    expect(table.admit(10, 5, 1, 20)).to.deep.equal({ admitted: 'sequence_expired' });
    expect(table.admit(10, 5, 2, 20)).to.deep.equal({ admitted: 'new' });
  });

  it('does not loop over a floor that jumps', () => {
    const table = new SessionTable(limits);
    table.open(10);
    table.admit(10, 1, 1, 20);
    table.remember(10, 1, result(11));
    const far = Number.MAX_SAFE_INTEGER - 1;
    expect(table.admit(10, far, far, 20)).to.deep.equal({ admitted: 'new' });
    expect(table.admit(10, 1, 0, 20)).to.deep.equal({ admitted: 'sequence_expired' });
  });

  it('forgets the session used longest ago when one too many is opened', () => {
    const table = new SessionTable(limits);
    for (const id of [1, 2, 3]) table.open(id);
    table.admit(1, 1, 1, 20);
    table.open(4);
    expect(table.size).to.equal(3);
    expect(table.admit(2, 1, 1, 20)).to.deep.equal({ admitted: 'session_expired' });
    expect(table.admit(1, 2, 1, 20)).to.deep.equal({ admitted: 'new' });
    expect(table.admit(3, 1, 1, 20)).to.deep.equal({ admitted: 'new' });
  });

  it('admits each sequence as new at most once, whatever comes', () => {
    const step = fc.record({ sequence: fc.nat({ max: 12 }), floor: fc.nat({ max: 12 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const table = new SessionTable(limits);
        table.open(1);
        const applied = new Map<number, number>();
        for (const [index, { sequence, floor }] of steps.entries()) {
          const admission = table.admit(1, sequence, floor, 20);
          if (admission.admitted === 'new') {
            expect(applied.has(sequence)).to.equal(false);
            applied.set(sequence, index);
            table.remember(1, sequence, result(index));
          } else if (admission.admitted === 'duplicate') {
            expect(admission.result.index).to.equal(applied.get(sequence));
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
