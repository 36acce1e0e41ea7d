import { readdir } from 'node:fs/promises';
import type { RunState } from '../runner.ts';
import { isProcessAlive } from './process-identity.ts';
import { isRunName, type RunsLayout, readOutcome, readRun, runPaths } from './run-directory.ts';
import { type Run, runState } from './run-facts.ts';

export interface RunCatalogOptions {
  readonly layout: RunsLayout;
  /** Called for a run that has neither an outcome nor a living supervisor. */
  readonly onOrphan: (runName: string) => Promise<void>;
}

/** What the runs directory says. What has ended is read once, so the cost is that of the living runs. */
export interface RunCatalog {
  /** State of one run as of now, seeing to it that somebody carries it on; null = there is none. */
  look(runName: string): Promise<RunState | null>;
  /** Names of all directories of runs, also of half-created ones. */
  names(): Promise<readonly string[]>;
  forget(runName: string): void;
}

export function createRunCatalog({ layout, onOrphan }: RunCatalogOptions): RunCatalog {
  const ended = new Map<string, RunState>();

  async function isOrphan(run: Run): Promise<boolean> {
    if (run.outcome !== null) return false;
    if (run.supervisor !== null && isProcessAlive(run.supervisor, layout.presence)) return false;
    // It may have ended properly since the outcome was looked for.
    return (await readOutcome(runPaths(layout, run.spec.runName))) === null;
  }

  return {
    async look(runName) {
      const known = ended.get(runName);
      if (known !== undefined) return known;
      const paths = runPaths(layout, runName);
      const outcome = await readOutcome(paths);
      if (outcome !== null) {
        ended.set(runName, outcome);
        return outcome;
      }
      const run = await readRun(paths);
      if (run === null) return null;
      if (await isOrphan(run)) await onOrphan(runName);
      return runState(run);
    },

    async names() {
      const names = (await readdir(layout.directory)).filter(isRunName);
      const present = new Set(names);
      for (const name of ended.keys()) if (!present.has(name)) ended.delete(name);
      return names;
    },

    forget: (runName) => ended.delete(runName),
  };
}
