import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { isLinearizableByBruteForce } from './brute-force.ts';
import { checkHistory } from './checker.ts';
import type { Operation } from './model.ts';
import { type RegisterInput, type RegisterOutput, registerModel } from './register-model.ts';
import { type PlannedCall, type RegisterFault, simulateRegister } from './simulated-register.ts';
import { parseRegisterCall, parseTimeline } from './timeline.ts';

type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

const verdictOf = (operations: readonly RegisterOperation[]) =>
  checkHistory(registerModel, operations).verdict;

const good: Record<string, string> = {
  'nothing at all': '',
  'a read before any write': '[read -]',
  'one after the other': `
    [write 1] [read 1] [write 2] [read 2]`,
  'reads on both sides of the instant of a long write': `
    [write 1                         ]
      [read -]   [read 1]
         [read -]      [read 1]`,
  'a read that overlaps a write sees it early': `
    [write 1             ]
         [read 1]`,
  'two writes at once, in the order that the reads tell': `
    [write 1       ]  [read 1] [read 1]
    [write 2       ]`,
  'a write without an answer takes effect late': `
    [write 1] [write 2 ~
                 [read 1] [read 1] [read 2] [read 2]`,
  'a write without an answer never takes effect': `
    [write 1] [write 2 ~
                 [read 1] [read 1]`,
  'a write without an answer between two looks of one client': `
    [write 1] [read 1]         [read 2] [write 3] [read 3]
      [write 2 ~`,
  'one of two rivals wins': `
    [cas - 1           ] [read 1]
    [cas - 2 refused   ]`,
  'a compare-and-set without an answer explains a refusal': `
    [write 1] [cas 1 2 ~
               [cas 1 3 refused] [read 2]`,
  'a deleted value': `
    [write 1] [write -] [read -] [cas - 2] [read 2]`,
  'an answer and a call in the same instant are at once': `
    [write 1]
            [read -]`,
  'objects do not see each other': `
    x| [write 1] [read 1]
    y| [write 2] [read 2]
    z|           [read -]`,
};

const bad: Record<string, string> = {
  'a value that nobody wrote': '[read 1]',
  'a read that misses a finished write': `
    [write 1] [read -]`,
  'a read of an overwritten value': `
    [write 1] [write 2] [read 1]`,
  'two readers who disagree about the order': `
    [write 1         ]
    [write 2         ] [read 1] [read 2]`,
  'a value that comes back (new, then old, within one write)': `
    [write 1] [write 2                     ]
                [read 2]  [read 1]`,
  'two rivals win': `
    [cas - 1           ] [read 1]
    [cas - 2           ]`,
  'a refusal without a reason': `
    [write 1] [cas 1 2 refused]`,
  'a write without an answer takes effect, and then not': `
    [write 1] [write 2 ~
                 [read 2] [read 1]`,
  'a write without an answer takes effect before it is called': `
    [read 2] [read 2]
                       [write 2 ~`,
  'a write without an answer takes effect twice': `
    [write 1 ~
     [read 1] [write 2] [read 2] [read 1]`,
  'a compare-and-set is applied twice': `
    [write 1] [cas 1 2] [write 1] [read 2]`,
  'a deleted value that comes back': `
    [write 1] [write -] [read 1]`,
  'one object of three is wrong': `
    x| [write 1] [read 1]
    y| [write 2] [read 1]
    z|           [read -]`,
};

describe('linearizability checker', () => {
  for (const [name, drawing] of Object.entries(good)) {
    it(`accepts ${name}`, () => {
      expect(verdictOf(parseTimeline(drawing, parseRegisterCall))).to.equal('linearizable');
    });
  }

  for (const [name, drawing] of Object.entries(bad)) {
    it(`rejects ${name}`, () => {
      expect(verdictOf(parseTimeline(drawing, parseRegisterCall))).to.equal('not_linearizable');
    });
  }

  it('says which object is wrong and what nothing explains', () => {
    const drawing = `
      fine| [write 1] [read 1]
      worse| [write 2] [write 3] [read 2]`;
    const { explanation } = checkHistory(registerModel, parseTimeline(drawing, parseRegisterCall));
    expect(explanation).to.include('"worse"').and.not.to.include('"fine"');
    expect(explanation).to.match(/nothing explains.*\n\s+client 2: .*read.*"2"/);
  });

  it('refuses an operation that is half unknown', () => {
    const [operation] = parseTimeline('[read 1]', parseRegisterCall) as [RegisterOperation];
    expect(() => verdictOf([{ ...operation, output: undefined }])).to.throw('unknown');
    expect(() => verdictOf([{ ...operation, returnedAt: Number.POSITIVE_INFINITY }])).to.throw('unknown');
    expect(() => verdictOf([{ ...operation, returnedAt: -1 }])).to.throw('before its call');
  });
});

/** So many writes at once that all their orders are too many to try, then a read that none explains. */
function hardHistory(key: string, writes: number): RegisterOperation[] {
  const write = (n: number): RegisterOperation => ({
    client: `writer ${n}`,
    key,
    input: { call: 'write', value: String(n) },
    output: 'applied',
    invokedAt: n,
    returnedAt: 1000 + n,
  });
  const read = { client: 'reader', key, invokedAt: 2000, returnedAt: 2001 };
  return [
    ...Array.from({ length: writes }, (_, n) => write(n)),
    { ...read, input: { call: 'read' }, output: { value: 'never written' } },
  ];
}

describe("the checker's budget", () => {
  it('ends an endless search undecided', () => {
    const { verdict, steps } = checkHistory(registerModel, hardHistory('x', 40), { stepsMax: 20_000 });
    expect(verdict).to.equal('undecided');
    expect(steps).to.be.within(20_000, 21_000);
  });

  it('finds the wrong object behind hard ones in a few rounds', () => {
    const history = [
      ...hardHistory('hard 1', 40),
      ...hardHistory('hard 2', 40),
      ...parseTimeline('wrong| [write 1] [read 2]', parseRegisterCall),
    ];
    const { verdict, steps, explanation } = checkHistory(registerModel, history, { stepsMax: 20_000 });
    expect(verdict).to.equal('not_linearizable');
    expect(explanation).to.include('"wrong"');
    expect(steps).to.be.below(3000);
  });

  it('decides what is hard without memory: eight writes at once, 109,600 orders, some thousand steps', () => {
    const { verdict, steps } = checkHistory(registerModel, hardHistory('x', 8));
    expect(verdict).to.equal('not_linearizable');
    expect(steps).to.be.below(10_000);
  });

  it('is linear where nothing is at once: 20,000 operations', () => {
    const history = Array.from({ length: 20_000 }, (_, n): RegisterOperation => {
      const value = String(n - (n % 2));
      const isWrite = n % 2 === 0;
      return {
        client: 'one',
        key: 'x',
        input: isWrite ? { call: 'write', value } : { call: 'read' },
        output: isWrite ? 'applied' : { value },
        invokedAt: 2 * n,
        returnedAt: 2 * n + 1,
      };
    });
    expect(checkHistory(registerModel, history)).to.include({ verdict: 'linearizable', steps: 20_000 });
  });
});

const value = fc.constantFrom('1', '2', null);

const input: fc.Arbitrary<RegisterInput> = fc.oneof(
  fc.constant({ call: 'read' } as const),
  fc.record({ call: fc.constant('write' as const), value }),
  fc.record({ call: fc.constant('cas' as const), expected: value, value }),
);

const output: fc.Arbitrary<RegisterOutput> = fc.oneof(
  fc.constantFrom('applied' as const, 'refused' as const),
  fc.record({ value }),
);

/** Any answer to any call at any time: most are wrong, and few obviously so. */
const anyOperation: fc.Arbitrary<RegisterOperation> = fc
  .record({ input, output, invokedAt: fc.nat(12), length: fc.nat(6), isUnheard: fc.boolean() })
  .map((drawn) => {
    const answer = drawn.input.call === 'read' || typeof drawn.output === 'string' ? drawn.output : 'applied';
    return {
      client: 'any',
      key: 'x',
      input: drawn.input,
      output: drawn.isUnheard ? undefined : answer,
      invokedAt: drawn.invokedAt,
      returnedAt: drawn.isUnheard ? Number.POSITIVE_INFINITY : drawn.invokedAt + drawn.length,
    };
  });

const plannedCall = (isUnheard: fc.Arbitrary<boolean>, clients = 4): fc.Arbitrary<PlannedCall> =>
  fc.record({
    client: fc.nat(clients - 1),
    input,
    pause: fc.nat(3),
    before: fc.nat(4),
    after: fc.nat(4),
    isUnheard,
  });

/** A write of a value that no other call writes, so that its effect can be told from theirs. */
function withOwnValue(call: PlannedCall, position: number): PlannedCall {
  const { input: drawn } = call;
  return drawn.call === 'read' ? call : { ...call, input: { ...drawn, value: `of ${position}` } };
}

/** A read after everything else. */
const lastLook: PlannedCall = {
  client: 9,
  input: { call: 'read' },
  pause: 100,
  before: 1,
  after: 1,
  isUnheard: false,
};

const seldom = fc.nat(9).map((n) => n === 0);

describe('the checker against its definition', function () {
  this.timeout(30_000);

  it('says the same as all permutations, of histories with any answers', () => {
    let accepted = 0;
    let rejected = 0;
    fc.assert(
      fc.property(fc.array(anyOperation, { maxLength: 5 }), (history) => {
        const isLinearizable = isLinearizableByBruteForce(registerModel, history);
        accepted += isLinearizable ? 1 : 0;
        rejected += isLinearizable ? 0 : 1;
        expect(verdictOf(history)).to.equal(isLinearizable ? 'linearizable' : 'not_linearizable');
      }),
      { numRuns: 1500 },
    );
    expect(accepted).to.be.greaterThan(100);
    expect(rejected).to.be.greaterThan(100);
  });

  it('accepts whatever a correct register answers', () => {
    fc.assert(
      fc.property(fc.array(plannedCall(seldom), { maxLength: 60 }), (plan) => {
        expect(verdictOf(simulateRegister(plan))).to.equal('linearizable');
      }),
      { numRuns: 500 },
    );
  });

  for (const fault of ['stale read', 'lost write', 'double apply'] satisfies RegisterFault[]) {
    it(`rejects a ${fault} exactly when no order explains it`, () => {
      let rejected = 0;
      const calls = fc.array(plannedCall(fc.constant(false), 2), { minLength: 3, maxLength: 5 });
      fc.assert(
        fc.property(calls, fc.nat(4), (plan, position) => {
          const distinct = plan.map(withOwnValue);
          const history = simulateRegister([...distinct, lastLook], fault, position % plan.length);
          const isLinearizable = isLinearizableByBruteForce(registerModel, history);
          rejected += isLinearizable ? 0 : 1;
          expect(verdictOf(history)).to.equal(isLinearizable ? 'linearizable' : 'not_linearizable');
        }),
        { numRuns: 600 },
      );
      expect(rejected, 'histories that show the fault').to.be.greaterThan(10);
    });
  }

  it('finds one stale read in a long history of values written once', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { minLength: 10, maxLength: 200 }), fc.nat(), (gaps, chosen) => {
        const plan = gaps.map((pause, n): PlannedCall => {
          const isWrite = n % 2 === 0;
          const call: RegisterInput = isWrite ? { call: 'write', value: `v${n}` } : { call: 'read' };
          return { client: 0, input: call, pause, before: 1, after: 1, isUnheard: false };
        });
        const reads = plan.flatMap((call, n) => (call.input.call === 'read' ? [n] : []));
        const position = reads[chosen % reads.length] as number;
        expect(verdictOf(simulateRegister(plan))).to.equal('linearizable');
        expect(verdictOf(simulateRegister(plan, 'stale read', position))).to.equal('not_linearizable');
      }),
      { numRuns: 100 },
    );
  });
});
