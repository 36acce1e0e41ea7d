import { expect } from 'chai';
import { describe, it } from 'mocha';
import { type Entry, EntryKind } from '../../src/raft/types.ts';
import { Applier } from '../../src/replica/applier.ts';
import { StateMachine } from '../../src/state-machine/state-machine.ts';

const noops = (from: number, count: number): Entry[] =>
  Array.from({ length: count }, (_, i) => ({
    index: from + i,
    term: 1,
    kind: EntryKind.Noop,
    payload: Buffer.alloc(0),
  }));

describe('applier', () => {
  const indexes: number[] = [];

  const create = (msPerLook: number): { applier: Applier; run: () => readonly number[] } => {
    let now = 0;
    const clock = () => {
      now += msPerLook;
      return now;
    };
    indexes.length = 0;
    const applier = new Applier(new StateMachine(), 5, clock);
    const run = () => {
      indexes.length = 0;
      applier.run((_outcome, entry) => indexes.push(entry.index));
      return indexes;
    };
    return { applier, run };
  };

  it('applies everything in order, over batches of any size', () => {
    const { applier, run } = create(0);
    for (const batch of [noops(1, 3), [], noops(4, 1), noops(5, 200)]) applier.push(batch);
    expect(applier.backlog).to.equal(204);
    expect(run()).to.deep.equal(Array.from({ length: 204 }, (_, i) => i + 1));
    expect(applier.backlog).to.equal(0);
    expect(run()).to.deep.equal([]);
  });

  it('stops when its time is over, and goes on from there', () => {
    const { applier, run } = create(5);
    applier.push(noops(1, 100));
    expect(run()).to.have.length(64);
    expect(applier.backlog).to.equal(36);
    applier.push(noops(101, 10));
    expect(run()).to.deep.equal(Array.from({ length: 46 }, (_, i) => i + 65));
  });
});
