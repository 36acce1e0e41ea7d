import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { encodeCommand } from '../../src/state-machine/command-codec.ts';
import { StateImage } from '../../src/state-machine/state-image.ts';
import { StateMachine } from '../../src/state-machine/state-machine.ts';
import type { RecordChange, StateDelta, StateRecord } from '../../src/state-machine/stored-state.ts';
import type { Write } from '../../src/state-machine/transaction.ts';
import { ValueSlabs } from '../../src/state-machine/value-slabs.ts';
import { Feed, set, visible } from './feed.ts';

/** Identity of a record, as any store of records would name it; sorts as a checkpoint does. */
function keyOf(record: StateRecord): string {
  const place = (at: { createdIndex: number; createdOrdinal: number }) =>
    `${String(at.createdIndex).padStart(9, '0')}.${String(at.createdOrdinal).padStart(9, '0')}`;
  if (record.type === 'session') return `s ${String(record.session.id).padStart(9, '0')}`;
  const { hashset } = record;
  return record.type === 'hashset' ? `h ${place(hashset)}` : `h ${place(hashset)} ${place(record.field)}`;
}

/** A text that is equal for equal records. */
function contentOf(record: StateRecord): string {
  if (record.type === 'hashset') return record.hashset.name;
  if (record.type === 'field')
    return `${record.name} ${record.field.version} ${Buffer.from(record.field.value)}`;
  const { usedIndex, floor, results } = record.session;
  const sorted = [...results].sort(([a], [b]) => a - b);
  return JSON.stringify([usedIndex, floor, sorted]);
}

/** A store that holds records and believes each delta only if it describes the store correctly. */
class Store {
  readonly records = new Map<string, { content: string; record: StateRecord }>();

  take(delta: StateDelta): void {
    for (const change of delta.changes()) this.#take(change);
  }

  restore(appliedIndex: number): StateMachine | null {
    const image = new StateImage(appliedIndex, 1);
    for (const key of [...this.records.keys()].sort()) {
      const record = this.records.get(key)?.record;
      if (record === undefined || !image.add(record)) return null;
    }
    return image.build();
  }

  contents(): Map<string, string> {
    return new Map([...this.records].map(([key, { content }]) => [key, content]));
  }

  #take({ before, after }: RecordChange): void {
    if (before !== null) {
      expect(this.records.get(keyOf(before))?.content, keyOf(before)).to.equal(contentOf(before));
      this.records.delete(keyOf(before));
    }
    if (after === null) return;
    if (before !== null) expect(keyOf(after)).to.equal(keyOf(before));
    expect(this.records.has(keyOf(after)), `${keyOf(after)} is there already`).to.equal(false);
    this.records.set(keyOf(after), { content: contentOf(after), record: after });
  }
}

const changesOf = (delta: StateDelta) => [...delta.changes()];
const fieldChanges = (delta: StateDelta) =>
  changesOf(delta).filter(({ before, after }) => (before ?? after)?.type === 'field');

describe('state delta', () => {
  it('says from where to where it leads, and starts the next one', () => {
    const feed = new Feed();
    feed.run([], [set('h', 'f')], 3);
    const first = feed.machine.freeze();
    expect(first).to.include({ baseIndex: 0, appliedIndex: 2, appliedTerm: 3 });
    expect(changesOf(first)).to.have.length(3);
    const second = feed.machine.freeze();
    expect(second).to.include({ baseIndex: 2, appliedIndex: 2 });
    expect(changesOf(second)).to.deep.equal([]);
  });

  it('has one change for a field written many times', () => {
    const feed = new Feed();
    feed.run([], [set('h', 'f', 'first')]);
    feed.machine.freeze();
    for (const text of ['a', 'b', 'c']) feed.run([], [set('h', 'f', text)]);
    const [change, ...others] = fieldChanges(feed.machine.freeze());
    expect(others).to.deep.equal([]);
    expect(change?.before && contentOf(change.before)).to.equal('f 2 first');
    expect(change?.after && contentOf(change.after)).to.equal('f 5 c');
  });

  it('forgets a field that came and went in between', () => {
    const feed = new Feed();
    feed.run([], [set('h', 'stays')]);
    feed.machine.freeze();
    feed.run([], [set('h', 'f'), set('other', 'f')]);
    feed.run([], [{ write: 'delete', hashset: 'h', field: 'f' }]);
    feed.run([], [{ write: 'deleteHashset', hashset: 'other' }]);
    const kinds = changesOf(feed.machine.freeze()).map(({ before, after }) => (before ?? after)?.type);
    expect(kinds).to.deep.equal(['session']);
  });

  it('stays as it was when applying goes on', () => {
    const feed = new Feed();
    feed.run([], [set('h', 'a'), set('h', 'b'), set('gone', 'x')]);
    feed.machine.freeze();
    feed.run([], [set('h', 'a', 'new'), { write: 'deleteHashset', hashset: 'gone' }]);
    const delta = feed.machine.freeze();
    const told = () =>
      changesOf(delta).map(({ before, after }) => [before && contentOf(before), after && contentOf(after)]);
    const before = told();
    feed.run([], [set('h', 'a', 'newer'), set('h', 'c'), set('gone', 'x', 'again')]);
    feed.run([], [{ write: 'deleteHashset', hashset: 'h' }]);
    feed.open();
    expect(told()).to.deep.equal(before);
  });

  it('deletes what a hashset had at the last freeze, not what came later', () => {
    const feed = new Feed();
    feed.run([], [set('h', 'a'), set('h', 'b'), set('h', 'c')]);
    feed.machine.freeze();
    feed.run([], [set('h', 'a', 'new'), set('h', 'd'), { write: 'delete', hashset: 'h', field: 'b' }]);
    feed.run([], [{ write: 'deleteHashset', hashset: 'h' }]);
    const deleted = fieldChanges(feed.machine.freeze()).map(({ before, after }) => {
      expect(after).to.equal(null);
      return before && contentOf(before);
    });
    expect(deleted).to.have.members(['a 2 v', 'b 2 v', 'c 2 v']);
  });

  const hashset = fc.constantFrom('a', 'b', 'c');
  const field = fc.constantFrom('1', '2', '3', '4');
  const write: fc.Arbitrary<Write> = fc.oneof(
    { weight: 5, arbitrary: fc.tuple(hashset, field, fc.string({ maxLength: 3 })).map((all) => set(...all)) },
    { weight: 3, arbitrary: fc.record({ write: fc.constant('delete' as const), hashset, field }) },
    { weight: 1, arbitrary: fc.record({ write: fc.constant('deleteHashset' as const), hashset }) },
  );
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        writes: fc.array(write, { maxLength: 6 }),
        session: fc.nat({ max: 3 }),
        floor: fc.nat({ max: 3 }),
      }),
    },
    { weight: 2, arbitrary: fc.constant('freeze' as const) },
    { weight: 1, arbitrary: fc.constant('open' as const) },
    { weight: 1, arbitrary: fc.constant('restore' as const) },
  );

  it('deltas in a row add up to the state, whenever they are taken, and also over a restore', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        // Two sessions are the limit, so that they are forgotten too.
        const feed = new Feed(new StateMachine());
        const sessions = [1];
        const store = new Store();
        for (const one of [...steps, 'freeze' as const, 'restore' as const]) {
          if (one === 'open') {
            feed.open();
            sessions.push(feed.machine.appliedIndex);
          } else if (one === 'freeze') {
            store.take(feed.machine.freeze());
          } else if (one === 'restore') {
            store.take(feed.machine.freeze());
            const restored = store.restore(feed.machine.appliedIndex);
            if (restored === null) throw new Error('the records are no state');
            expect(visible(restored)).to.deep.equal(visible(feed.machine));
            feed.machine = restored;
          } else {
            const sequence = feed.machine.appliedIndex;
            const session = sessions[one.session % sessions.length] ?? 1;
            const transaction = { checks: [], writes: one.writes };
            feed.send(transaction, { session, sequence, floor: Math.max(0, sequence - one.floor * 3) });
          }
        }
        // Everything at once, from a machine that saw no freeze, is the same.
        const again = new StateMachine();
        for (const entry of feed.entries) again.apply(entry);
        const whole = new Store();
        whole.take(again.freeze());
        expect(store.contents()).to.deep.equal(whole.contents());
        expect(visible(feed.machine)).to.deep.equal(visible(again));
      }),
      { numRuns: 300 },
    );
  });

  it('restores the order in which sessions are forgotten', () => {
    const limits = { sessions: 2, window: 8 };
    const feed = new Feed(new StateMachine(limits));
    feed.open();
    feed.send({ checks: [], writes: [] }, { session: 1, sequence: 1 });
    const image = new StateImage(3, 1, limits);
    for (const { after } of feed.machine.freeze().changes()) if (after !== null) image.add(after);
    const restored = image.build();
    if (restored === null) throw new Error('the records are no state');
    const next = new Feed(restored);
    next.open();
    expect(next.send({ checks: [], writes: [] }, { session: 2, sequence: 1 }).result).to.equal(
      'session_expired',
    );
    expect(next.send({ checks: [], writes: [] }, { session: 1, sequence: 1 }).result).to.include({
      index: 3,
    });
  });
});

describe('state image', () => {
  const at = (createdIndex: number, createdOrdinal = 0) => ({ createdIndex, createdOrdinal });
  const named = (name: string, index: number): StateRecord => ({
    type: 'hashset',
    hashset: { name, ...at(index) },
  });
  const fieldOf = (hashset: number, name: string, index: number, version = index): StateRecord => ({
    type: 'field',
    hashset: at(hashset),
    name,
    field: { value: Buffer.alloc(0), version, ...at(index) },
  });
  const refused: readonly [what: string, records: readonly StateRecord[]][] = [
    ['a field without its hashset', [fieldOf(1, 'f', 1)]],
    ['a field of the hashset before', [named('a', 1), fieldOf(1, 'f', 1), named('b', 2), fieldOf(1, 'g', 2)]],
    ['fields out of order', [named('a', 1), fieldOf(1, 'f', 2), fieldOf(1, 'g', 1)]],
    ['a field twice', [named('a', 1), fieldOf(1, 'f', 1), fieldOf(1, 'f', 2)]],
    ['a hashset twice', [named('a', 1), fieldOf(1, 'f', 1), named('a', 2), fieldOf(2, 'f', 2)]],
    ['a hashset without fields', [named('a', 1), named('b', 2)]],
    ['a hashset without fields at the end', [named('a', 1)]],
    ['a field from after the end', [named('a', 1), fieldOf(1, 'f', 1, 10)]],
    ['a field older than its creation', [named('a', 1), fieldOf(1, 'f', 2, 1)]],
    [
      'a result outside the window of its session',
      [
        {
          type: 'session',
          session: { id: 1, usedIndex: 1, floor: 5, results: new Map([[4, { applied: true, index: 1 }]]) },
        },
      ],
    ],
    [
      'a session from after the end',
      [{ type: 'session', session: { id: 1, usedIndex: 10, floor: 0, results: new Map() } }],
    ],
  ];

  for (const [what, records] of refused) {
    it(`refuses ${what}`, () => {
      const image = new StateImage(9, 1);
      const isRefused = records.some((record) => !image.add(record)) || image.build() === null;
      expect(isRefused).to.equal(true);
    });
  }
});

describe('values', () => {
  it('that are loaded share memory when they are small, and keep what they are', () => {
    const values = new ValueSlabs();
    const sources = Array.from({ length: 500 }, (_, n) => Buffer.alloc(n * 5, n));
    const copies = sources.map((source) => values.copy(source));
    for (const [n, copy] of copies.entries())
      expect(Buffer.from(copy).equals(Buffer.alloc(n * 5, n))).to.equal(true);
    expect(new Set(copies.slice(0, 400).map(({ buffer }) => buffer)).size).to.be.within(20, 40);
    expect(copies[499]).to.equal(sources[499]);
  });

  it('do not hold the frame that they came in', () => {
    const feed = new Feed();
    const send = (sequence: number, writes: readonly Write[]) => {
      const transaction = { checks: [], writes };
      const command = { type: 'SessionTransaction', session: 1, sequence, floor: 1, transaction } as const;
      feed.apply(Uint8Array.prototype.slice.call(encodeCommand(command)));
    };
    send(1, [set('h', 'small', 'x'.repeat(100)), set('h', 'filler', 'x'.repeat(100_000))]);
    send(2, [set('h', 'large', 'x'.repeat(500_000))]);
    const heldBy = (field: string) => feed.machine.get('h', field)?.value.buffer.byteLength;
    expect(heldBy('small')).to.equal(100);
    // Most of its frame: it stays where it is.
    expect(heldBy('large')).to.be.within(500_001, 1_000_000);
  });
});
