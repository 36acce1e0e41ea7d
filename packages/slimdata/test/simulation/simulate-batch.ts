import { Marks } from './marks.ts';
import { type SeedResult, simulateSeed } from './simulate-seed.ts';

/** Sum of the runs of a batch. */
export interface BatchReport {
  readonly seeds: number;
  readonly events: number;
  readonly committed: number;
  readonly marks: Marks;
}

/**
 * Runs `firstSeed`, `firstSeed + 1`, ... (modulo 2^32), `seeds` of them or until `isOver`.
 * @param onSeed called after each run with the number of runs so far.
 * @throws SimulationFailure at the first seed that finds something.
 */
export function simulateBatch(
  firstSeed: number,
  seeds: number,
  isOver: () => boolean = () => false,
  onSeed: (result: SeedResult, count: number) => void = () => undefined,
): BatchReport {
  const marks = new Marks();
  let count = 0;
  let events = 0;
  let committed = 0;
  while (count < seeds && !isOver()) {
    const result = simulateSeed({ seed: (firstSeed + count) >>> 0 });
    count += 1;
    events += result.events;
    committed += result.committed;
    marks.addAll(result.marks);
    onSeed(result, count);
  }
  return { seeds: count, events, committed, marks };
}
