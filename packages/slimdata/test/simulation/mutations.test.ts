import { expect } from 'chai';
import { describe, it } from 'mocha';
import { type MutationCase, mutations } from './mutations.ts';
import { SimulationFailure, simulateSeed } from './simulate-seed.ts';

/** Far more than any of them needs; the worst need some hundreds. */
const seedsMax = 3000;

/** Runs seeds from 1 until one of the expected invariants breaks. */
function findFailure(mutation: MutationCase): SimulationFailure | null {
  const { create, direct, invariants, scenario } = mutation;
  for (let seed = 1; seed <= seedsMax; seed++) {
    try {
      simulateSeed({ seed, direct, createMutation: create, ...(scenario === undefined ? {} : { scenario }) });
    } catch (error) {
      if (!(error instanceof SimulationFailure)) {
        throw error;
      }
      if (invariants.includes(error.invariant)) {
        return error;
      }
    }
  }
  return null;
}

describe('mutations', function () {
  this.timeout(240_000);

  for (const mutation of mutations) {
    it(`a member that ${mutation.name} is caught`, () => {
      const failure = findFailure(mutation);
      expect(failure, `in ${seedsMax} seeds`).not.to.equal(null);
      expect(failure?.message).to.contain(`Replay: npm run simulate -- --seed ${failure?.seed}`);
      expect(failure?.message.split('\n').length).to.be.greaterThan(10);
    });
  }
});
