import type { MutationCase } from './mutations.ts';
import { SimulationFailure, simulateSeed } from './simulate-seed.ts';

/** Far more than any of them needs; the worst need some hundreds. */
export const mutationSeedsMax = 3000;

/** Runs seeds from 1 until one of the invariants that must tell breaks; null = none did. */
export function findMutation(mutation: MutationCase): SimulationFailure | null {
  const { create, direct, invariants, scenario } = mutation;
  for (let seed = 1; seed <= mutationSeedsMax; seed++) {
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
