import { parseArgs } from 'node:util';
import { batchMarks, rareMarks } from './marks.ts';
import { type BatchReport, simulateBatch } from './simulate-batch.ts';
import { SimulationFailure, type simulateSeed } from './simulate-seed.ts';

/** From this many seeds on, a path that no run took is a failure of the simulation itself. */
const seedsForMarks = 1000;

const help = `Simulates Raft clusters under faults, one per seed; checks Raft's promises at every event.

npm run simulate -- [options]
  --seeds N      run N fresh seeds (default 1000)
  --minutes M    run fresh seeds for M minutes instead
  --seed S       run seed S only, or start from it when --seeds or --minutes is given
  --verbose      with --seed: print the trace; otherwise: print each seed
  --help         print this

Exit status: 0 nothing found, 1 a seed failed (the replay command is printed), 2 wrong arguments.
`;

/** What the command touches outside. */
export interface SimulateSurroundings {
  readonly print: (text: string) => void;
  /** Milliseconds from any origin. */
  readonly clock: () => number;
  /** A seed that was not run before. */
  readonly freshSeed: () => number;
  readonly simulate: typeof simulateSeed;
}

interface Flags {
  readonly seed: number | null;
  readonly seeds: number | null;
  readonly minutes: number | null;
  readonly verbose: boolean;
  readonly help: boolean;
}

function parseNumber(flag: string, text: string | undefined): number | null {
  if (text === undefined) {
    return null;
  }
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) {
    throw new RangeError(`--${flag} "${text}": a number of 0 or more is needed.`);
  }
  return value;
}

function parseFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      minutes: { type: 'string' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    seed: parseNumber('seed', values.seed),
    seeds: parseNumber('seeds', values.seeds),
    minutes: parseNumber('minutes', values.minutes),
    verbose: values.verbose,
    help: values.help,
  };
}

/** Runs the command with `args`. Returns the exit status. */
export function simulateCommand(args: readonly string[], surroundings: SimulateSurroundings): number {
  let flags: Flags;
  try {
    flags = parseFlags(args);
  } catch (error) {
    surroundings.print(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    return 2;
  }
  if (flags.help) {
    surroundings.print(help);
    return 0;
  }
  try {
    return flags.seed !== null && flags.seeds === null && flags.minutes === null
      ? runOne(flags.seed, flags.verbose, surroundings)
      : runMany(flags, surroundings);
  } catch (error) {
    if (error instanceof SimulationFailure) {
      surroundings.print(`${error.message}\n`);
      return 1;
    }
    throw error;
  }
}

function runOne(seed: number, verbose: boolean, { print, simulate }: SimulateSurroundings): number {
  const { committed, events, hash, lines } = simulate({ seed, traceLines: verbose ? 1_000_000 : 0 });
  for (const line of lines) {
    print(`${line}\n`);
  }
  print(
    `seed ${seed}: nothing found; events ${events}, entries committed ${committed}, trace hash ${hash}\n`,
  );
  return 0;
}

function runMany(flags: Flags, surroundings: SimulateSurroundings): number {
  const { clock, freshSeed, print, simulate } = surroundings;
  const startedMs = clock();
  const firstSeed = flags.seed ?? freshSeed();
  const minutes = flags.minutes ?? Number.POSITIVE_INFINITY;
  print(`first seed ${firstSeed}\n`);
  const report = simulateBatch({
    firstSeed,
    seeds: flags.seeds ?? (flags.minutes === null ? 1000 : Number.POSITIVE_INFINITY),
    isOver: () => clock() - startedMs >= minutes * 60_000,
    onSeed: ({ committed, events, seed }) => {
      if (flags.verbose) {
        print(`seed ${seed}: events ${events}, entries committed ${committed}\n`);
      }
    },
    simulate,
  });
  return printReport(report, clock() - startedMs, print);
}

function printReport(report: BatchReport, durationMs: number, print: (text: string) => void): number {
  const { committed, events, marks, seeds } = report;
  for (const mark of [...batchMarks, ...rareMarks]) {
    print(`${String(marks.count(mark)).padStart(12)}  ${mark}\n`);
  }
  const perMinute = Math.round((seeds * 60_000) / Math.max(durationMs, 1));
  print(
    `nothing found: seeds ${seeds} (${perMinute} per minute), events ${events}, committed ${committed}\n`,
  );
  const missing = seeds >= seedsForMarks ? marks.missing(batchMarks) : [];
  if (missing.length > 0) {
    print(`never reached: ${missing.join(', ')}\n`);
  }
  return missing.length > 0 ? 1 : 0;
}
