import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { type Entry, EntryKind } from '../../src/raft/types.ts';
import { encodeCommand } from '../../src/state-machine/command-codec.ts';
import { StateMachine } from '../../src/state-machine/state-machine.ts';
import type { Check, Transaction, Write } from '../../src/state-machine/transaction.ts';
import { Feed, set } from './feed.ts';
import { StateModel } from './state-model.ts';

const fields = (feed: Feed, hashset: string): string[] =>
  [...feed.machine.entries(hashset)].map(([field]) => field);

describe('state machine', () => {
  it('names a session after the index of its entry', () => {
    const feed = new Feed();
    expect(feed.open()).to.deep.equal({ type: 'sessionOpened', session: 2, member: 'm', nonce: 7 });
  });

  it('stamps fields with log indexes', () => {
    const feed = new Feed();
    feed.run([], [set('h', 'f', 'one')]);
    feed.run([], [set('h', 'f', 'two')]);
    const record = feed.machine.get('h', 'f');
    expect(record).to.include({ createdIndex: 2, version: 3 });
    expect(Buffer.from(record?.value ?? []).toString()).to.equal('two');
  });

  it('keeps fields in order of creation: an update keeps the place, a new creation goes to the end', () => {
    const feed = new Feed();
    feed.run([], [set('h', 'a'), set('h', 'b'), set('h', 'c')]);
    feed.run([], [set('h', 'a', 'updated')]);
    expect(fields(feed, 'h')).to.deep.equal(['a', 'b', 'c']);
    feed.run([], [{ write: 'delete', hashset: 'h', field: 'a' }, set('h', 'a')]);
    expect(fields(feed, 'h')).to.deep.equal(['b', 'c', 'a']);
  });

  it('lists non-empty hashsets by prefix', () => {
    const feed = new Feed();
    feed.run([], [set('Queue:a', '1'), set('Run:a', '1'), set('Queue:b', '1')]);
    feed.run([], [{ write: 'delete', hashset: 'Queue:a', field: '1' }]);
    expect([...feed.machine.hashsets('Queue:')]).to.deep.equal(['Queue:b']);
    expect([...feed.machine.hashsets('')]).to.deep.equal(['Run:a', 'Queue:b']);
  });

  const checks: readonly [what: string, check: Check, holdsBefore: boolean, holdsAfter: boolean][] = [
    ['absent', { check: 'absent', hashset: 'h', field: 'f' }, true, false],
    ['version', { check: 'version', hashset: 'h', field: 'f', version: 3 }, false, true],
    ['another version', { check: 'version', hashset: 'h', field: 'f', version: 2 }, false, false],
    ['smaller than 0', { check: 'smaller', hashset: 'h', count: 0 }, false, false],
    ['smaller than 1', { check: 'smaller', hashset: 'h', count: 1 }, true, false],
    ['smaller than 2', { check: 'smaller', hashset: 'h', count: 2 }, true, true],
    ['the term of the entry', { check: 'term', term: 1 }, true, true],
    ['another term', { check: 'term', term: 2 }, false, false],
    ['empty', { check: 'empty', hashset: 'h' }, true, false],
  ];

  for (const [what, check, holdsBefore, holdsAfter] of checks) {
    it(`checks "${what}" against the state before and after a field is set`, () => {
      const feed = new Feed();
      expect(feed.run([check], []).result).to.include({ applied: holdsBefore });
      feed.run([], [set('h', 'f')]);
      expect(feed.run([check], []).result).to.include({ applied: holdsAfter });
    });
  }

  it('names the first check that failed, and writes nothing', () => {
    const feed = new Feed();
    const outcome = feed.run(
      [
        { check: 'empty', hashset: 'h' },
        { check: 'term', term: 9 },
        { check: 'term', term: 8 },
      ],
      [set('h', 'f')],
    );
    expect(outcome.result).to.deep.equal({ applied: false, index: 2, failedCheck: 1 });
    expect(feed.machine.size('h')).to.equal(0);
    expect(outcome.touched.size).to.equal(0);
  });

  it('reports the hashsets that changed, and only these', () => {
    const feed = new Feed();
    expect(feed.run([], [set('a', '1'), set('b', '1')]).touched).to.deep.equal(new Set(['a', 'b']));
    const absent: Write[] = [
      { write: 'delete', hashset: 'a', field: 'none' },
      { write: 'deleteHashset', hashset: 'none' },
    ];
    expect(feed.run([], absent).touched).to.deep.equal(new Set());
    expect(feed.run([], [{ write: 'deleteHashset', hashset: 'b' }]).touched).to.deep.equal(new Set(['b']));
  });

  it('applies a repeated sequence once and answers it the same', () => {
    const feed = new Feed();
    const once: Transaction = {
      checks: [{ check: 'absent', hashset: 'h', field: 'f' }],
      writes: [set('h', 'f')],
    };
    const first = feed.send(once, { sequence: 1 });
    const second = feed.send(once, { sequence: 1 });
    expect(first.result).to.deep.equal({ applied: true, index: 2 });
    expect(second.result).to.deep.equal(first.result);
    expect(second.touched.size).to.equal(0);
    expect(feed.machine.get('h', 'f')).to.include({ version: 2 });
  });

  it('never applies under an unknown session, or below the floor', () => {
    const feed = new Feed();
    const transaction: Transaction = { checks: [], writes: [set('h', 'f')] };
    expect(feed.send(transaction, { session: 99 }).result).to.equal('session_expired');
    feed.send({ checks: [], writes: [] }, { sequence: 5, floor: 5 });
    expect(feed.send(transaction, { sequence: 4, floor: 4 }).result).to.equal('sequence_expired');
    expect(feed.machine.size('h')).to.equal(0);
  });

  it('skips what is no command, and counts it as applied', () => {
    const feed = new Feed();
    expect(feed.apply(Buffer.from('garbage'))).to.deep.equal({ type: 'malformed' });
    expect(feed.apply(Buffer.alloc(0), 1, EntryKind.Noop)).to.deep.equal({ type: 'nothing' });
    const command = encodeCommand({ type: 'OpenSession', member: 'm', nonce: 1 });
    expect(feed.apply(command, 1, EntryKind.Configuration)).to.deep.equal({ type: 'nothing' });
    expect(feed.machine.appliedIndex).to.equal(4);
  });

  it('refuses a gap in the indexes', () => {
    const entry: Entry = { index: 2, term: 1, kind: EntryKind.Noop, payload: Buffer.alloc(0) };
    expect(() => new StateMachine().apply(entry)).to.throw('without gaps');
  });

  describe('against the model', () => {
    const hashset = fc.constantFrom('a', 'b');
    const field = fc.constantFrom('1', '2', '3');
    const version = fc.integer({ min: 1, max: 30 });
    const check: fc.Arbitrary<Check> = fc.oneof(
      fc.record({ check: fc.constant('absent' as const), hashset, field }),
      fc.record({ check: fc.constant('version' as const), hashset, field, version }),
      fc.record({ check: fc.constant('smaller' as const), hashset, count: fc.nat({ max: 4 }) }),
      fc.record({ check: fc.constant('term' as const), term: fc.integer({ min: 1, max: 2 }) }),
      fc.record({ check: fc.constant('empty' as const), hashset }),
    );
    const text = fc.uint8Array({ minLength: 1, maxLength: 3 });
    const write: fc.Arbitrary<Write> = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ write: fc.constant('set' as const), hashset, field, value: text }),
      },
      { weight: 2, arbitrary: fc.record({ write: fc.constant('delete' as const), hashset, field }) },
      { weight: 1, arbitrary: fc.record({ write: fc.constant('deleteHashset' as const), hashset }) },
    );
    const step = fc.record({
      term: fc.integer({ min: 1, max: 2 }),
      checks: fc.array(check, { maxLength: 2 }),
      writes: fc.array(write, { maxLength: 4 }),
      /** Sent again so many sequences later, once as a duplicate. */
      repeat: fc.boolean(),
    });

    it('holds the same state and gives the same answers', () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
          const feed = new Feed();
          const model = new StateModel();
          for (const [position, { term, checks: all, writes, repeat }] of steps.entries()) {
            const sequence = position + 1;
            const transaction = { checks: all, writes };
            const outcome = feed.send(transaction, { term, sequence, floor: sequence });
            expect(outcome.result).to.deep.equal(model.run(transaction, feed.machine.appliedIndex, term));
            if (repeat) {
              expect(feed.send(transaction, { term, sequence }).result).to.deep.equal(outcome.result);
            }
            expect(model.matches(feed.machine)).to.equal(true);
          }
        }),
        { numRuns: 400 },
      );
    });
  });
});
