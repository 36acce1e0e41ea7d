import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import {
  createConfiguration,
  enterJoint,
  leaveJoint,
  type MemberChange,
  type Membership,
  type MembershipResult,
  membersOf,
  simple,
} from '../../src/raft/configuration.ts';
import { type Case, caseFiles, parseCases } from './case-file.ts';

const NOBODY: Membership = { configuration: createConfiguration([]), nextIndex: new Map() };
const CHANGE_TYPES = { v: 'addVoter', l: 'addLearner', r: 'remove', u: 'update' } as const;

/** `v1 l2 r3 u4`; the cases number their members, and 0 stands for nobody. */
function parseChanges(input: readonly string[]): MemberChange[] {
  const tokens = input.join(' ').split(' ');
  return tokens
    .filter((token) => token !== '')
    .map((token) => {
      const type = CHANGE_TYPES[token[0] as keyof typeof CHANGE_TYPES];
      expect(type, token).to.not.equal(undefined);
      return { type, member: token.slice(1) === '0' ? '' : token.slice(1) };
    });
}

function run(testCase: Case, membership: Membership, next: number): MembershipResult {
  const changes = parseChanges(testCase.input);
  switch (testCase.command) {
    case 'simple':
      return simple(membership, changes, next);
    case 'enter-joint':
      return enterJoint(membership, testCase.args.get('autoleave')?.[0] === 'true', changes, next);
    case 'leave-joint':
      return leaveJoint(membership);
    default:
      throw new Error(`unknown command ${testCase.command}`);
  }
}

function sorted(names: Iterable<string>): string[] {
  return [...names].sort((a, b) => Number(a) - Number(b));
}

function print({ configuration, nextIndex }: Membership): string[] {
  const set = (names: ReadonlySet<string>) => `(${sorted(names).join(' ')})`;
  const { voters, outgoing, learners, learnersNext, autoLeave } = configuration;
  const parts = [`voters=${set(voters)}${outgoing.size > 0 ? `&&${set(outgoing)}` : ''}`];
  if (learners.size > 0) {
    parts.push(`learners=${set(learners)}`);
  }
  if (learnersNext.size > 0) {
    parts.push(`learners_next=${set(learnersNext)}`);
  }
  if (autoLeave) {
    parts.push('autoleave');
  }
  const members = sorted(nextIndex.keys()).map(
    (name) =>
      `${name}: StateProbe match=0 next=${nextIndex.get(name)}${learners.has(name) ? ' learner' : ''}`,
  );
  return [parts.join(' '), ...members];
}

describe('configuration: recorded cases', () => {
  it('are complete', () => {
    const count = caseFiles('confchange').reduce(
      (sum, file) => sum + parseCases('confchange', file).length,
      0,
    );
    expect(count).to.equal(58);
  });

  for (const file of caseFiles('confchange')) {
    it(`${file} goes through its steps`, () => {
      let membership = NOBODY;
      for (const [step, testCase] of parseCases('confchange', file).entries()) {
        // In the cases the log grows by one entry with every command, refused ones included.
        const result = run(testCase, membership, Math.max(step, 1));
        membership = 'membership' in result ? result.membership : membership;
        const printed = 'refused' in result ? [result.refused] : print(result.membership);
        expect(printed, `${file}:${testCase.line}`).to.deep.equal(testCase.expected);
      }
    });
  }
});

const MEMBERS = ['1', '2', '3', '4', '5'];
const someChange = fc.record({
  type: fc.constantFrom('addVoter', 'addLearner', 'remove', 'update'),
  member: fc.constantFrom('', ...MEMBERS),
});
const someSteps = fc.array(
  fc.record({
    command: fc.constantFrom('simple', 'enterJoint', 'leaveJoint'),
    autoLeave: fc.boolean(),
    changes: fc.array(someChange, { maxLength: 4 }),
  }),
  { maxLength: 20 },
);

function* walk(steps: typeof someSteps extends fc.Arbitrary<infer T> ? T : never) {
  let before: Membership = {
    configuration: createConfiguration(['1', '2', '3']),
    nextIndex: new Map([
      ['1', 1],
      ['2', 1],
      ['3', 1],
    ]),
  };
  for (const [i, { command, autoLeave, changes }] of steps.entries()) {
    const result =
      command === 'simple'
        ? simple(before, changes, i + 2)
        : command === 'enterJoint'
          ? enterJoint(before, autoLeave, changes, i + 2)
          : leaveJoint(before);
    if ('membership' in result) {
      yield { before, after: result.membership };
      before = result.membership;
    }
  }
}

/** Every quorum of one half of `a` meets every quorum of that half of `b`: majorities of the sets overlap. */
function majoritiesOverlap(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const all = [...new Set([...a, ...b])];
  const isMajority = (bits: number, of: ReadonlySet<string>) =>
    all.filter((name, i) => (bits >> i) % 2 === 1 && of.has(name)).length * 2 > of.size;
  for (let left = 0; left < 2 ** all.length; left += 1) {
    const right = ~left & (2 ** all.length - 1);
    if (isMajority(left, a) && isMajority(right, b)) {
      return false;
    }
  }
  return true;
}

describe('configuration: properties', () => {
  it('no step lets two quorums decide apart from each other', () => {
    fc.assert(
      fc.property(someSteps, (steps) => {
        for (const { before, after } of walk(steps)) {
          const halves = ({ voters, outgoing }: Membership['configuration']) =>
            outgoing.size === 0 ? [voters] : [voters, outgoing];
          // A joint decision has a majority in each half, so one overlapping pair of halves is enough.
          const overlap = halves(before.configuration).some((a) =>
            halves(after.configuration).some((b) => majoritiesOverlap(a, b)),
          );
          expect(overlap).to.equal(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('always keeps a voter, and progress for exactly the members', () => {
    fc.assert(
      fc.property(someSteps, (steps) => {
        for (const { after } of walk(steps)) {
          expect(after.configuration.voters.size).to.be.greaterThan(0);
          expect([...after.nextIndex.keys()].sort()).to.deep.equal(membersOf(after.configuration).sort());
        }
      }),
      { numRuns: 300 },
    );
  });

  it('never changes the configuration it was given', () => {
    fc.assert(
      fc.property(someSteps, (steps) => {
        let previous: { membership: Membership; printed: string[] } | null = null;
        for (const { before, after } of walk(steps)) {
          if (previous !== null) {
            expect(before).to.equal(previous.membership);
            expect(print(before)).to.deep.equal(previous.printed);
          }
          previous = { membership: after, printed: print(after) };
        }
      }),
    );
  });

  it('a member keeps its place in the log while it goes from voter to learner and back', () => {
    fc.assert(
      fc.property(someSteps, (steps) => {
        for (const { before, after } of walk(steps)) {
          for (const [name, next] of after.nextIndex) {
            // Removed and added again within one step counts as unknown.
            expect(next >= (before.nextIndex.get(name) ?? 0)).to.equal(true);
          }
        }
      }),
    );
  });
});
