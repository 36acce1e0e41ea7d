import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { host } from './process-identity.ts';
import type { AttemptBegun, AttemptEnded, Outcome, Run, RunSpec, SupervisorBegun } from './run-facts.ts';

/** Places inside a runs directory. Names of runs never begin with a dot, so the two cannot meet. */
export interface RunsLayout {
  readonly directory: string;
  /** One empty file per run, touched after each change: a single watch sees all runs. */
  readonly events: string;
  /** One empty file per run that must not begin anything any more. */
  readonly tombstones: string;
  readonly trash: string;
  readonly namespaces: string;
  readonly place: string;
  /** FIFO that the processes of ours in a PID namespace of this boot hold open. */
  presence(namespace: string): string;
}

/** Files of one run. Each is published once, complete, and never changed. */
export interface RunPaths {
  readonly directory: string;
  readonly spec: string;
  readonly outcome: string;
  readonly event: string;
  readonly tombstone: string;
  readonly outputPipe: string;
  readonly supervisorError: string;
  attempt(number: number): string;
  attemptEnd(number: number): string;
  supervisor(generation: number): string;
}

/** Kubernetes' own rule for names, which also keeps paths inside the runs directory. */
export function isRunName(text: string): boolean {
  return /^[a-z0-9][a-z0-9_.-]{0,62}$/.test(text);
}

/** Where things are inside the runs directory. */
export function runsLayout(directory: string): RunsLayout {
  const namespaces = join(directory, '.namespaces');
  return {
    directory,
    events: join(directory, '.events'),
    tombstones: join(directory, '.tombstones'),
    trash: join(directory, '.trash'),
    namespaces,
    place: join(directory, '.place'),
    presence: (namespace) => join(namespaces, `${host.bootId}.${namespace}`),
  };
}

/** Where the files of a run are. */
export function runPaths(layout: RunsLayout, runName: string): RunPaths {
  const directory = join(layout.directory, runName);
  return {
    directory,
    spec: join(directory, 'spec.json'),
    outcome: join(directory, 'outcome.json'),
    event: join(layout.events, runName),
    tombstone: join(layout.tombstones, runName),
    outputPipe: join(directory, 'output'),
    supervisorError: join(directory, 'supervisor-error.txt'),
    attempt: (number) => join(directory, `attempt-${number}.json`),
    attemptEnd: (number) => join(directory, `attempt-${number}-end.json`),
    supervisor: (generation) => join(directory, `supervisor-${generation}.json`),
  };
}

/** The fact in this file; null = not published (or its run is gone). A damaged file throws and is named. */
async function readFact<T>(path: string): Promise<T | null> {
  const text = await ignoreAbsence(readFile(path, 'utf8'));
  if (text === undefined) return null;
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new Error(`File "${path}" is damaged; remove the run's directory to forget the run.`, { cause });
  }
}

/** What a run was started with; null = there is no such run, or not yet. */
export async function readSpec(paths: RunPaths): Promise<RunSpec | null> {
  const spec = await readFact<RunSpec>(paths.spec);
  if (spec === null || spec.format === 1) return spec;
  throw new Error(`File "${paths.spec}" has format "${spec.format}"; this version reads format "1" only.`);
}

/** How a run ended; null = it has not, or there is no such run. */
export function readOutcome(paths: RunPaths): Promise<Outcome | null> {
  return readFact<Outcome>(paths.outcome);
}

/** Everything known of a run; null = there is none. Cheap for what has ended: two files. */
export async function readRun(paths: RunPaths): Promise<Run | null> {
  const spec = await readSpec(paths);
  if (spec === null) return null;
  const outcome = await readOutcome(paths);
  const names = outcome === null ? ((await ignoreAbsence(readdir(paths.directory))) ?? []) : [];
  const attempts = highest(names, /^attempt-(\d+)\.json$/);
  const generation = highest(names, /^supervisor-(\d+)\.json$/);
  const first = attempts === 0 ? null : await readFact<AttemptBegun>(paths.attempt(1));
  const last = attempts === 0 ? null : await readFact<AttemptBegun>(paths.attempt(attempts));
  const lastEnd = attempts === 0 ? null : await readFact<AttemptEnded>(paths.attemptEnd(attempts));
  const supervisor = generation === 0 ? null : await readFact<SupervisorBegun>(paths.supervisor(generation));
  return {
    spec,
    outcome,
    attempts: outcome?.attempts ?? attempts,
    firstStartedAt: first?.startedAt ?? null,
    lastAttempt: last,
    lastEnd,
    generation,
    supervisor: supervisor?.process ?? null,
  };
}

/** The value, or undefined when the file or directory is not there. */
export async function ignoreAbsence<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function highest(names: readonly string[], pattern: RegExp): number {
  return names.reduce((most, name) => Math.max(most, Number(name.match(pattern)?.[1] ?? 0)), 0);
}
