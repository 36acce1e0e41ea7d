import type { Marks } from './marks.ts';
import { Simulation, type SimulationOptions } from './simulation.ts';
import { Violation } from './violation.ts';

/** Trace lines that a failure shows. */
const failureLines = 50;

/** What a run that found nothing tells. */
export interface SeedResult {
  readonly seed: number;
  readonly events: number;
  readonly committed: number;
  /** Equal for equal runs. */
  readonly hash: number;
  readonly marks: Marks;
  /** Last lines of the trace, if they were asked for. */
  readonly lines: readonly string[];
}

/** A run that found something; the message says what, where, and how to replay it. */
export class SimulationFailure extends Error {
  readonly seed: number;
  /** Number of the event at which it was seen. */
  readonly event: number;
  /** Name of the broken invariant; `core` for what the core itself threw. */
  readonly invariant: string;

  constructor(seed: number, event: number, cause: unknown, lines: readonly string[]) {
    const text = cause instanceof Error ? `${cause.message}\n${stackOf(cause)}` : String(cause);
    const replay = `npm run simulate -- --seed ${seed}`;
    super(`seed ${seed} fails at event ${event}: ${text}\n${lines.join('\n')}\nReplay: ${replay}`, { cause });
    this.name = 'SimulationFailure';
    this.seed = seed;
    this.event = event;
    this.invariant = cause instanceof Violation ? cause.invariant : 'core';
  }
}

function stackOf(error: Error): string {
  return (error.stack ?? '').split('\n').slice(1, 5).join('\n');
}

/**
 * Runs one seed. A run that fails is run again with its trace recorded: equal seeds give equal runs.
 * @throws SimulationFailure
 */
export function simulateSeed(options: SimulationOptions): SeedResult {
  const simulation = new Simulation(options);
  try {
    simulation.run();
  } catch (error) {
    throw explain(options, simulation.events, error);
  }
  const { events, committed, marks, trace } = simulation;
  return { seed: options.seed, events, committed, hash: trace.hash, marks, lines: trace.lines };
}

function explain(options: SimulationOptions, event: number, cause: unknown): SimulationFailure {
  const replay = new Simulation({ ...options, traceLines: options.traceLines || failureLines });
  try {
    replay.run();
  } catch (again) {
    if (replay.events === event) {
      return new SimulationFailure(options.seed, event, again, replay.trace.lines);
    }
  }
  const unequal = [`the replay differs: it ended at event ${replay.events}; something is not deterministic`];
  return new SimulationFailure(options.seed, event, cause, unequal);
}
