import { Marks } from './marks.ts';
import { type SeedResult, simulateSeed } from './simulate-seed.ts';

/** Sum of the runs of a batch. */
export interface BatchReport {
  readonly seeds: number;
  readonly events: number;
  readonly committed: number;
  readonly marks: Marks;
}

export interface BatchOptions {
  /** Followed by `firstSeed + 1`, ... (modulo 2^32). */
  readonly firstSeed: number;
  /** How many at most. */
  readonly seeds: number;
  /** Asked before each run; true ends the batch. */
  readonly isOver?: () => boolean;
  readonly onSeed?: (result: SeedResult) => void;
  /** Runs one seed; `simulateSeed` unless a test says otherwise. */
  readonly simulate?: typeof simulateSeed;
}

/** Runs fresh seeds one after another. @throws SimulationFailure at the first seed that finds something. */
export function simulateBatch(options: BatchOptions): BatchReport {
  const {
    firstSeed,
    seeds,
    isOver = () => false,
    onSeed = () => undefined,
    simulate = simulateSeed,
  } = options;
  const marks = new Marks();
  let count = 0;
  let events = 0;
  let committed = 0;
  while (count < seeds && !isOver()) {
    const result = simulate({ seed: (firstSeed + count) >>> 0 });
    count += 1;
    events += result.events;
    committed += result.committed;
    marks.addAll(result.marks);
    onSeed(result);
  }
  return { seeds: count, events, committed, marks };
}
