import { constants, openSync, utimesSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { endLostAttempt, runAttempt } from './attempt.ts';
import { createEnding, type Ending, type EndingReason } from './ending.ts';
import { host, identifyProcess, isProcessAlive } from './process-identity.ts';
import { publishFact, publishPatiently } from './publish.ts';
import { type RunPaths, readRun, runPaths, runsLayout } from './run-directory.ts';
import { type AttemptEnded, type Outcome, type Run, type RunSpec, retryDelayMs } from './run-facts.ts';
import { openRunLog, type RunLog } from './run-log.ts';

export interface SuperviseOptions {
  readonly directory: string;
  readonly runName: string;
  readonly now: () => number;
  /** Called at named places; for tests that end the process there. */
  readonly failpoint?: (name: string) => void;
}

/** How often a run may lose its supervisor, beyond once per attempt, before it is given up. */
const lossesMax = 10;

interface Supervision {
  readonly spec: RunSpec;
  readonly paths: RunPaths;
  readonly log: RunLog;
  readonly ending: Ending;
  readonly now: () => number;
  readonly failpoint: (name: string) => void;
}

/**
 * Carries a run to its outcome, from wherever its last supervisor left it. Returns at once when the run has ended,
 * is gone, or has a living supervisor: of all supervisors of a run, exactly one is alive and past the lock.
 */
export async function supervise(options: SuperviseOptions): Promise<void> {
  const failpoint = options.failpoint ?? (() => {});
  const layout = runsLayout(options.directory);
  const paths = runPaths(layout, options.runName);
  failpoint('supervisor:begun');
  // Held until this process ends, however it ends.
  openSync(layout.presence(host.namespace), constants.O_RDONLY | constants.O_NONBLOCK);
  const ending = createEnding(paths.tombstone, options.now);
  try {
    const run = await takeLock(paths, layout.presence);
    if (run === null) return;
    failpoint('supervisor:locked');
    const log = openRunLog(paths.directory, run.spec.logBytesMax);
    const supervision: Supervision = { spec: run.spec, paths, log, ending, now: options.now, failpoint };
    const outcome = await reachOutcome(supervision, run);
    log.close();
    await publishPatiently(paths.outcome, outcome);
    failpoint('outcome:published');
    announce(paths);
  } finally {
    ending.close();
  }
}

/**
 * The lock is the highest generation, as long as its process lives: the next generation may be published only when
 * that process is dead, and a dead process never comes back. Nothing is ever unlocked or stolen.
 */
async function takeLock(paths: RunPaths, presence: (namespace: string) => string): Promise<Run | null> {
  const run = await readRun(paths);
  if (run === null || run.outcome !== null) return null;
  if (run.supervisor !== null && isProcessAlive(run.supervisor, presence)) return null;
  const itself = identifyProcess(process.pid);
  if (!(await publishFact(paths.supervisor(run.generation + 1), { process: itself }))) return null;
  // Read again: the last supervisor may have written until it died.
  const locked = await readRun(paths);
  return locked === null || locked.outcome !== null ? null : locked;
}

/** How far a run has come. */
interface Progress {
  attempts: number;
  /** Of the first attempt; -1 = none yet. */
  startTimestamp: number;
  /** End of the last attempt; null = none yet. */
  end: AttemptEnded | null;
}

interface Verdict {
  readonly status: 'Succeeded' | 'Failed';
  readonly reason: string | null;
}

async function reachOutcome(supervision: Supervision, run: Run): Promise<Outcome> {
  const { spec, ending } = supervision;
  const progress: Progress = {
    attempts: run.attempts,
    startTimestamp: run.firstStartedAt ?? -1,
    end: run.attempts === 0 ? null : (run.lastEnd ?? (await settleLostAttempt(supervision, run))),
  };
  if (run.attempts > 0) ending.startDeadline(progress.startTimestamp, spec.activeDeadlineMs);
  for (;;) {
    const verdict = judge(supervision, progress, run.generation);
    if (verdict !== null) return createOutcome(supervision, progress, verdict);
    if (progress.end !== null) await waitForRetry(supervision, progress.attempts, progress.end);
    if (ending.check() === null) await makeAttempt(supervision, progress);
  }
}

/** Null = there is more to do. */
function judge({ spec, ending }: Supervision, progress: Progress, generation: number): Verdict | null {
  const { attempts, end } = progress;
  if (end?.exitCode === 0 && !end.isInterrupted) return { status: 'Succeeded', reason: null };
  const ended = ending.check();
  if (ended !== null) return { status: 'Failed', reason: endingText(ended, spec, attempts) };
  if (end !== null && attempts >= spec.attemptsMax) {
    return { status: 'Failed', reason: `Attempt ${attempts} of ${spec.attemptsMax} ${end.reason}.` };
  }
  if (generation <= spec.attemptsMax + lossesMax) return null;
  return { status: 'Failed', reason: `Its supervisor was lost ${generation - 1} times.` };
}

function createOutcome(supervision: Supervision, progress: Progress, verdict: Verdict): Outcome {
  const { spec, now } = supervision;
  return {
    runName: spec.runName,
    jobId: spec.jobId,
    jobName: spec.jobName,
    ...verdict,
    startTimestamp: progress.startTimestamp,
    finishTimestamp: now(),
    exitCode: progress.end?.exitCode ?? null,
    attempts: progress.attempts,
  };
}

async function makeAttempt(supervision: Supervision, progress: Progress): Promise<void> {
  const { spec, paths, ending } = supervision;
  progress.attempts += 1;
  progress.end = await runAttempt({
    ...supervision,
    number: progress.attempts,
    ending: ending.signal,
    begun: ({ startedAt }) => {
      if (progress.attempts === 1) progress.startTimestamp = startedAt;
      ending.startDeadline(progress.startTimestamp, spec.activeDeadlineMs);
      announce(paths);
    },
  });
  announce(paths);
}

/** The attempt of a dead supervisor cannot be continued, since nobody is its parent: it counts as failed. */
async function settleLostAttempt(supervision: Supervision, run: Run): Promise<AttemptEnded> {
  const { spec, paths, now } = supervision;
  const leader = run.lastAttempt?.process ?? null;
  if (leader !== null) await endLostAttempt(leader, spec);
  const reason = 'was lost with its supervisor';
  const end: AttemptEnded = { finishedAt: now(), exitCode: null, isInterrupted: false, reason };
  await publishPatiently(paths.attemptEnd(run.attempts), end);
  supervision.log.note(`attempt ${run.attempts} was lost with its supervisor`);
  announce(paths);
  return end;
}

/** Resolves sooner when the run has to end. */
async function waitForRetry(supervision: Supervision, attempts: number, end: AttemptEnded): Promise<void> {
  const { spec, ending, now } = supervision;
  const delayMs = retryDelayMs(spec, attempts);
  const leftMs = Math.max(0, Math.min(end.finishedAt + delayMs - now(), delayMs));
  try {
    await delay(leftMs, undefined, { signal: ending.signal });
  } catch (error) {
    if (!ending.signal.aborted) throw error;
  }
}

function endingText(reason: EndingReason, spec: RunSpec, attempts: number): string {
  if (reason === 'deadline') {
    return `It ran longer than ActiveDeadlineSeconds ${(spec.activeDeadlineMs ?? 0) / 1000}.`;
  }
  return attempts === 0 ? 'It was cancelled before it began.' : 'It was cancelled.';
}

/** Tells those who watch that something changed. The run may have been removed meanwhile: then nobody asks. */
function announce(paths: RunPaths): void {
  try {
    const at = new Date();
    utimesSync(paths.event, at, at);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
