import { type FSWatcher, watch } from 'node:fs';
import type { RunState } from '../runner.ts';
import type { RunCatalog } from './run-catalog.ts';
import type { RunsLayout } from './run-directory.ts';

/** The part of pino that is used here: facts first, then a stable event name. */
export interface RunnerLogger {
  info(facts: object, event: string): void;
  warn(facts: object, event: string): void;
  error(facts: object, event: string): void;
}

export interface RunWatchOptions {
  readonly layout: RunsLayout;
  readonly catalog: RunCatalog;
  readonly onState: (state: RunState) => void;
  /** Between looks at everything that lives, for what the file system did not announce. */
  readonly reconcileIntervalMs: number;
  readonly logger: RunnerLogger;
}

export interface RunWatch {
  /** Resolves when no look is under way any more; nothing is reported afterwards. */
  close(): Promise<void>;
}

/** Reports each run, then each change, in order per run. The first look at every run is over when it resolves. */
export async function openRunWatch(options: RunWatchOptions): Promise<RunWatch> {
  const { layout, catalog, logger } = options;
  const reported = new Map<string, RunState>();
  const faults = new Map<string, string>();
  const dirty = new Set<string>();
  let isClosed = false;
  let looking: Promise<void> | null = null;

  async function lookAt(runName: string): Promise<void> {
    try {
      const state = await catalog.look(runName);
      faults.delete(runName);
      if (state === null || isClosed || isSame(reported.get(runName), state)) return;
      reported.set(runName, state);
      options.onState(state);
    } catch (error) {
      // One bad run must not hide the others; it is looked at again with the next change or reconcile.
      const message = String(error);
      if (faults.get(runName) !== message) logger.error({ runName, error }, 'run_unreadable');
      faults.set(runName, message);
    }
  }

  async function lookAtDirty(): Promise<void> {
    for (const runName of dirty) {
      dirty.delete(runName);
      if (!isClosed) await lookAt(runName);
    }
  }

  function look(): Promise<void> {
    looking ??= lookAtDirty().finally(() => {
      looking = null;
      if (dirty.size > 0 && !isClosed) void look();
    });
    return looking;
  }

  async function reconcile(): Promise<void> {
    const names = await catalog.names();
    const present = new Set(names);
    for (const name of reported.keys()) if (!present.has(name)) reported.delete(name);
    for (const name of faults.keys()) if (!present.has(name)) faults.delete(name);
    for (const name of names) if (!hasEnded(reported.get(name))) dirty.add(name);
    await look();
  }

  const watcher = watchEvents(layout.events, logger, (runName) => {
    dirty.add(runName);
    void look();
  });
  await reconcile();
  const timer = setInterval(() => {
    reconcile().catch((error) => logger.error({ error }, 'runs_directory_unreadable'));
  }, options.reconcileIntervalMs);

  return {
    async close() {
      isClosed = true;
      clearInterval(timer);
      watcher?.close();
      await looking;
    },
  };
}

/** Null when the system has no watch to give: then changes are found by the reconcile alone. */
function watchEvents(
  directory: string,
  logger: RunnerLogger,
  onEvent: (runName: string) => void,
): FSWatcher | null {
  const degrade = (error: unknown): void => logger.warn({ directory, error }, 'runs_watch_unavailable');
  try {
    const watcher = watch(directory, (_, name) => {
      if (name !== null) onEvent(name);
    });
    return watcher.on('error', degrade);
  } catch (error) {
    degrade(error);
    return null;
  }
}

function isSame(a: RunState | undefined, b: RunState): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b);
}

function hasEnded(state: RunState | undefined): boolean {
  return state !== undefined && state.finishTimestamp >= 0;
}
