import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { committedIndex, voteResult } from '../../src/raft/quorum.ts';
import type { JointVoters } from '../../src/raft/types.ts';
import { type Case, caseFiles, parseCases } from './case-file.ts';

const RESULTS = { won: 'VoteWon', pending: 'VotePending', lost: 'VoteLost' } as const;

function votersOf(testCase: Case): JointVoters {
  const outgoing = testCase.args.get('cfgj') ?? [];
  return {
    voters: new Set(testCase.args.get('cfg') ?? []),
    outgoing: new Set(outgoing[0] === 'zero' ? [] : outgoing),
  };
}

/** The values of a case belong to its voters in order of first appearance; `_` = nothing is known. */
function valuesOf(testCase: Case, { voters, outgoing }: JointVoters): Map<string, string> {
  const names = [...new Set([...voters, ...outgoing])];
  const values = testCase.args.get(testCase.command === 'vote' ? 'votes' : 'idx') ?? [];
  expect(values.length, 'a value for each voter').to.equal(names.length);
  return new Map(names.flatMap((name, i) => (values[i] === '_' ? [] : [[name, values[i] ?? '']])));
}

function run(testCase: Case, config: JointVoters): string {
  const values = valuesOf(testCase, config);
  if (testCase.command === 'vote') {
    return RESULTS[voteResult(config, new Map([...values].map(([name, vote]) => [name, vote === 'y'])))];
  }
  const acked = new Map([...values].map(([name, index]) => [name, Number(index)]));
  const index = committedIndex(config, (name) => acked.get(name));
  return index === Number.POSITIVE_INFINITY ? '∞' : String(index);
}

/** A chart of the situation comes first; the result is the end of the last line. */
function expectedOf(testCase: Case): string {
  const last = testCase.expected.at(-1) ?? '';
  return last.endsWith('∞') ? '∞' : last;
}

const FILES = caseFiles('quorum');
const CASES = FILES.flatMap((file) => parseCases('quorum', file));

describe('quorum: recorded cases', () => {
  it('are complete', () => {
    expect(CASES.length).to.equal(127);
  });

  for (const file of FILES) {
    for (const testCase of parseCases('quorum', file)) {
      it(`${file}:${testCase.line} gives ${expectedOf(testCase)}`, () => {
        expect(run(testCase, votersOf(testCase))).to.equal(expectedOf(testCase));
      });
    }
  }
});

const MEMBERS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const someVoters = fc.subarray(MEMBERS).map((names) => new Set(names));
const joint = fc.record({ voters: someVoters, outgoing: someVoters });
const someVotes = fc
  .dictionary(fc.constantFrom(...MEMBERS), fc.boolean())
  .map((votes) => new Map(Object.entries(votes)));
const someIndexes = fc
  .dictionary(fc.constantFrom(...MEMBERS), fc.nat(9))
  .map((indexes) => new Map(Object.entries(indexes)));

/** By definition: the largest index for which more than half of the voters are at it or beyond. */
function slowMajorityIndex(voters: ReadonlySet<string>, acked: ReadonlyMap<string, number>): number {
  let best = voters.size === 0 ? Number.POSITIVE_INFINITY : 0;
  for (let index = 1; index <= 9 && voters.size > 0; index += 1) {
    const reached = [...voters].filter((name) => (acked.get(name) ?? 0) >= index).length;
    best = reached * 2 > voters.size ? index : best;
  }
  return best;
}

/** By definition: what every way of answering the open votes would lead to. */
function slowVoteResult(config: JointVoters, votes: ReadonlyMap<string, boolean>): string {
  const open = MEMBERS.filter((name) => !votes.has(name));
  const outcomes = new Set<boolean>();
  for (let answers = 0; answers < 2 ** open.length; answers += 1) {
    const all = new Map([...votes, ...open.map((name, i) => [name, (answers >> i) % 2 === 1] as const)]);
    const wins = (voters: ReadonlySet<string>) =>
      voters.size === 0 || [...voters].filter((name) => all.get(name) === true).length * 2 > voters.size;
    outcomes.add(wins(config.voters) && wins(config.outgoing));
  }
  return outcomes.size === 2 ? 'pending' : outcomes.has(true) ? 'won' : 'lost';
}

describe('quorum: properties', () => {
  it('committedIndex is what its definition says, for both halves', () => {
    fc.assert(
      fc.property(joint, someIndexes, (config, acked) => {
        const slow = Math.min(
          slowMajorityIndex(config.voters, acked),
          slowMajorityIndex(config.outgoing, acked),
        );
        expect(committedIndex(config, (name) => acked.get(name))).to.equal(slow);
      }),
      { numRuns: 2000 },
    );
  });

  it('a vote is decided exactly when no open answer can change it', () => {
    fc.assert(
      fc.property(joint, someVotes, (config, votes) => {
        expect(voteResult(config, votes)).to.equal(slowVoteResult(config, votes));
      }),
      { numRuns: 500 },
    );
  });

  it('the halves of a joint configuration may be exchanged', () => {
    fc.assert(
      fc.property(joint, someIndexes, someVotes, ({ voters, outgoing }, acked, votes) => {
        const exchanged = { voters: outgoing, outgoing: voters };
        const index = (name: string) => acked.get(name);
        expect(committedIndex(exchanged, index)).to.equal(committedIndex({ voters, outgoing }, index));
        expect(voteResult(exchanged, votes)).to.equal(voteResult({ voters, outgoing }, votes));
      }),
    );
  });

  it('a configuration joint with itself, or with nobody, decides as it does alone', () => {
    fc.assert(
      fc.property(someVoters, someIndexes, someVotes, (voters, acked, votes) => {
        const alone = { voters, outgoing: new Set<string>() };
        const index = (name: string) => acked.get(name);
        expect(committedIndex({ voters, outgoing: voters }, index)).to.equal(committedIndex(alone, index));
        expect(voteResult({ voters, outgoing: voters }, votes)).to.equal(voteResult(alone, votes));
        expect(committedIndex({ voters: new Set<string>(), outgoing: voters }, index)).to.equal(
          committedIndex(alone, index),
        );
      }),
    );
  });
});
