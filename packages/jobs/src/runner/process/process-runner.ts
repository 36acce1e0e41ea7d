import assert from 'node:assert/strict';
import { open, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Job } from '../../model/job.ts';
import { type Runner, RunnerError, type RunState, type StartOutcome } from '../runner.ts';
import { isProcessAlive, signalProcess } from './process-identity.ts';
import { makeDirectory, publishFact } from './publish.ts';
import { createRunCatalog, type RunCatalog } from './run-catalog.ts';
import {
  ignoreAbsence,
  isRunName,
  type RunPaths,
  type RunsLayout,
  readOutcome,
  readRun,
  readSpec,
  runPaths,
  runsLayout,
} from './run-directory.ts';
import type { RunSpec } from './run-facts.ts';
import { createRunOutput } from './run-output.ts';
import { createRunSpec } from './run-spec.ts';
import { openRunWatch, type RunnerLogger, type RunWatch } from './run-watch.ts';
import { createRunsPlace, type RunsPlace } from './runs-place.ts';
import { createSupervisorLaunch, type SupervisorLaunch } from './supervisor-launch.ts';
import { sweep } from './sweep.ts';

export interface ProcessRunnerOptions {
  /** Directory of all runs; on a local disk. Members that share it share the runs. */
  readonly directory: string;
  /** The member's environment. A run sees `PATH`, `HOME`, the locale, `TZ` and `TMPDIR` of it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where commands begin, and what a relative program name is relative to. */
  readonly workingDirectory: string;
  readonly logger: RunnerLogger;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs?: number;
  /** Most output kept per run, at least 4096; the beginning and the end are kept. */
  readonly logBytesMax?: number;
  /** Before the second attempt; doubled for each further one. */
  readonly firstRetryDelayMs?: number;
  readonly retryDelayMaxMs?: number;
  readonly reconcileIntervalMs?: number;
  /** How long a removed or cancelled name cannot be started again. */
  readonly tombstoneMs?: number;
  readonly now?: () => number;
  readonly supervisorPath?: string;
  /** Called at named places of `start`; for tests that end the process there. */
  readonly failpoint?: (name: string) => void;
}

type OptionalOptions = Omit<
  ProcessRunnerOptions,
  'directory' | 'environment' | 'workingDirectory' | 'logger'
>;

/** A runner of local processes. */
export interface ProcessRunner extends Runner {
  readonly kind: 'Process';
  /** Identity of the runs directory: members with the same one look at the same runs. */
  place(): string;
}

/**
 * Runs are local processes. Each has a directory of immutable facts and a supervisor of its own, which outlives the
 * member; whoever looks at the directory sees, carries on, cancels and removes runs alike.
 *
 * Promises: an attempt begins at most once, whoever dies when; two attempts of a run never run at the same time; a
 * cancelled or removed run never begins (again). The price: an attempt whose supervisor dies is ended and counts as
 * failed, even when its command had just succeeded.
 *
 * Not done: limits of cpu and memory are not enforced; what leaves the session of the command (setsid) is not ended
 * with it; a service manager that kills by control group takes the supervisors with the member.
 *
 * Makes the runs directory ready. Throws `RunnerError` when the directory cannot be used.
 */
export function createProcessRunner(options: ProcessRunnerOptions): ProcessRunner {
  return new DirectoryRunner(options);
}

const defaults: Required<OptionalOptions> = {
  graceMs: 5000,
  logBytesMax: 8 * 1024 * 1024,
  firstRetryDelayMs: 10_000,
  retryDelayMaxMs: 360_000,
  reconcileIntervalMs: 2000,
  tombstoneMs: 3_600_000,
  now: Date.now,
  supervisorPath: fileURLToPath(new URL('./supervisor.js', import.meta.url)),
  failpoint: (): void => {},
};

/** Beyond the grace, how long a run may take to end before `cancel` says that it does not. */
const cancelPatienceMs = 30_000;
const cancelPauseMs = 25;
/** The longest interval that a timer takes. */
const delayMaxMs = 2 ** 31 - 1;

class DirectoryRunner implements ProcessRunner {
  readonly kind = 'Process';
  readonly #options: Required<ProcessRunnerOptions>;
  readonly #layout: RunsLayout;
  readonly #place: RunsPlace;
  readonly #launch: SupervisorLaunch;
  readonly #catalog: RunCatalog;
  readonly #closing = new AbortController();
  #watch: RunWatch | null = null;
  #sweepTimer: NodeJS.Timeout | undefined;

  constructor(given: ProcessRunnerOptions) {
    const options = { ...defaults, ...given, directory: resolve(given.directory) };
    assert(options.logBytesMax >= 4096, 'logBytesMax must be at least 4096');
    this.#options = options;
    this.#layout = runsLayout(options.directory);
    this.#place = createRunsPlace(this.#layout);
    this.#launch = createSupervisorLaunch({ ...options, searchPath: options.environment['PATH'] });
    this.#catalog = createRunCatalog({
      layout: this.#layout,
      onOrphan: (runName) => this.#launch.launch(runName),
    });
  }

  place(): string {
    return this.#place.id;
  }

  async open(onState: (state: RunState) => void): Promise<void> {
    assert(this.#watch === null, 'The runner is already open.');
    const { reconcileIntervalMs, logger, tombstoneMs } = this.#options;
    await this.#place.hold();
    await this.#sweep();
    this.#watch = await openRunWatch({
      layout: this.#layout,
      catalog: this.#catalog,
      onState,
      reconcileIntervalMs,
      logger,
    });
    this.#sweepTimer = setInterval(() => void this.#sweep(), Math.min(tombstoneMs, delayMaxMs));
  }

  async start(job: Job): Promise<StartOutcome> {
    const accepted = createRunSpec(job, this.#options);
    if (!accepted.accepted) return { started: false, permanent: true, reason: accepted.reason };
    const paths = this.#paths(job.runName);
    await this.#place.hold();
    const existing = await readSpec(paths);
    if (existing === null && (await exists(paths.tombstone))) {
      const reason = `Run "${job.runName}" was cancelled or removed before it began.`;
      return { started: false, permanent: true, reason };
    }
    const spec = existing ?? (await this.#create(paths, accepted.spec));
    if (spec.jobId !== job.id) return { started: false, nameTaken: true };
    await this.#catalog.look(job.runName);
    this.#options.failpoint('start:supervisor-launched');
    return { started: true };
  }

  async list(): Promise<readonly RunState[]> {
    const states: RunState[] = [];
    for (const name of await this.#catalog.names()) {
      const state = await this.#catalog.look(name);
      if (state !== null) states.push(state);
    }
    return states;
  }

  async cancel(runName: string): Promise<boolean> {
    if (!isRunName(runName)) return false;
    const paths = this.#paths(runName);
    if ((await readOutcome(paths)) !== null) return true;
    await this.#place.hold();
    // From here on no supervisor begins an attempt, and no start begins a run.
    await this.#bury(paths);
    for (let waitedMs = 0; ; waitedMs += cancelPauseMs) {
      const run = await readRun(paths);
      if (run === null) return false;
      if (run.outcome !== null) return true;
      if (waitedMs > run.spec.graceMs + cancelPatienceMs) {
        throw new RunnerError('refused', `Run "${runName}" has not ended yet; its processes do not die.`);
      }
      const isSupervised = run.supervisor !== null && isProcessAlive(run.supervisor, this.#layout.presence);
      // The supervisor ends the run; a dead one is replaced, and its successor ends what it left.
      if (isSupervised && run.supervisor !== null) signalProcess(run.supervisor, 'SIGTERM');
      else await this.#launch.launch(runName);
      await delay(cancelPauseMs);
    }
  }

  async remove(runName: string): Promise<void> {
    if (!isRunName(runName)) return;
    const paths = this.#paths(runName);
    if ((await readSpec(paths)) === null) return;
    if ((await readOutcome(paths)) === null) {
      throw new RunnerError('refused', `Run "${runName}" has not ended; cancel it before it is removed.`);
    }
    // A start of this run that is still on its way somewhere must not begin it a second time.
    await this.#bury(paths);
    const trash = join(this.#layout.trash, `${runName}.${process.pid}-${process.hrtime.bigint()}`);
    await ignoreAbsence(rename(paths.directory, trash));
    await rm(trash, { recursive: true, force: true });
    await rm(paths.event, { force: true });
    this.#catalog.forget(runName);
    this.#launch.forget(runName);
  }

  async logs(
    runName: string,
    options: { readonly follow: boolean; readonly signal: AbortSignal },
  ): Promise<Readable | null> {
    if (!isRunName(runName)) return null;
    const paths = this.#paths(runName);
    const spec = await readSpec(paths);
    if (spec === null) return null;
    return createRunOutput({
      directory: paths.directory,
      logBytesMax: spec.logBytesMax,
      follow: options.follow,
      signal: AbortSignal.any([options.signal, this.#closing.signal]),
      hasEnded: async () => (await readOutcome(paths)) !== null || !(await exists(paths.spec)),
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#sweepTimer);
    await this.#watch?.close();
    await this.#place.close();
  }

  #paths(runName: string): RunPaths {
    return runPaths(this.#layout, runName);
  }

  /** Makes the run exist, or finds that somebody else just did: answers the spec that won. */
  async #create(paths: RunPaths, spec: RunSpec): Promise<RunSpec> {
    const { failpoint } = this.#options;
    failpoint('start:begun');
    await makeDirectory(paths.directory);
    failpoint('start:directory-made');
    await touch(paths.event, this.#options.now());
    const isOurs = await publishFact(paths.spec, spec, () => failpoint('start:spec-written'));
    failpoint('start:spec-published');
    const winner = isOurs ? spec : await readSpec(paths);
    if (winner !== null) return winner;
    throw new RunnerError('refused', `Run "${spec.runName}" was removed while it was started.`);
  }

  #bury(paths: RunPaths): Promise<void> {
    return touch(paths.tombstone, this.#options.now());
  }

  async #sweep(): Promise<void> {
    const { now, tombstoneMs, logger } = this.#options;
    try {
      await sweep({ layout: this.#layout, now, keepMs: tombstoneMs });
    } catch (error) {
      logger.error({ error, directory: this.#layout.directory }, 'runs_sweep_failed');
    }
  }
}

async function touch(path: string, nowMs: number): Promise<void> {
  const file = await open(path, 'a', 0o600);
  try {
    await file.utimes(nowMs / 1000, nowMs / 1000);
  } finally {
    await file.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return (await ignoreAbsence(stat(path))) !== undefined;
}
