import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type Gate, openGate } from './gate.ts';
import { hasVariable, isGroupAlive, type ProcessIdentity, signalGroup } from './process-identity.ts';
import { findProgram } from './program.ts';
import { publishPatiently } from './publish.ts';
import type { RunPaths } from './run-directory.ts';
import type { AttemptBegun, AttemptEnded, RunSpec } from './run-facts.ts';
import type { RunLog } from './run-log.ts';

export interface AttemptOptions {
  readonly spec: RunSpec;
  readonly paths: RunPaths;
  readonly log: RunLog;
  /** 1 = the first. */
  readonly number: number;
  readonly now: () => number;
  /** Aborted when the run has to end. */
  readonly ending: AbortSignal;
  readonly begun: (attempt: AttemptBegun) => void;
  readonly failpoint: (name: string) => void;
}

/** Most that is waited for output of processes that left the session and live on. */
const drainMs = 1000;

/** Runs the command once and publishes its begin and its end. When it resolves, none of its processes is alive. */
export async function runAttempt(options: AttemptOptions): Promise<AttemptEnded> {
  const { spec, paths, number, now } = options;
  const gate = await tryGate(options);
  options.failpoint('attempt:spawned');
  const begun: AttemptBegun = { startedAt: now(), process: 'refused' in gate ? null : gate.process };
  if (!(await publishPatiently(paths.attempt(number), begun))) {
    throw new Error(`Attempt ${number} of run "${spec.runName}" was begun by somebody else.`);
  }
  options.begun(begun);
  options.failpoint('attempt:published');
  const ended = 'refused' in gate ? gate.refused : await passGate(gate, options);
  const end: AttemptEnded = { finishedAt: now(), ...ended };
  await publishPatiently(paths.attemptEnd(number), end);
  options.failpoint('attempt:ended');
  return end;
}

type Ended = Omit<AttemptEnded, 'finishedAt'>;

async function tryGate(options: AttemptOptions): Promise<Gate | { readonly refused: Ended }> {
  const { spec, paths, log, number } = options;
  const [name = '', ...args] = spec.command;
  const environment = { ...spec.environment, SLIMFAAS_ATTEMPT: String(number) };
  const { workingDirectory } = spec;
  if (number > 1) log.note(`attempt ${number} of ${spec.attemptsMax}`);
  const program = findProgram(name, spec.environment['PATH'], workingDirectory);
  if (!program.found) return refuse(log, program.exitCode, program.reason);
  try {
    const command = [program.path, ...args];
    return await openGate({ command, environment, workingDirectory, outputPipe: paths.outputPipe });
  } catch (error) {
    return refuse(log, 126, `the system refused it: ${error instanceof Error ? error.message : error}`);
  }
}

function refuse(log: RunLog, exitCode: number, why: string): { readonly refused: Ended } {
  log.note(why);
  return {
    refused: {
      exitCode,
      isInterrupted: false,
      reason: `could not be started, exit code ${exitCode}: ${why}`,
    },
  };
}

async function passGate(gate: Gate, options: AttemptOptions): Promise<Ended> {
  const { spec, log, ending } = options;
  gate.output.on('data', (bytes: Uint8Array) => log.write(bytes));
  const drained = finished(gate.output).catch((error: unknown) => log.note(`output was lost: ${error}`));
  if (!ending.aborted) gate.release();
  options.failpoint('attempt:released');
  await Promise.race([gate.exited, aborted(ending)]);
  const isInterrupted = ending.aborted;
  // What a command leaves behind when it ends by itself ends at once, as in a container.
  await endGroup(gate.process, isInterrupted ? spec.graceMs : 0, () => true);
  const { exitCode, signal } = await gate.exited;
  options.failpoint('attempt:exited');
  await Promise.race([drained, delay(drainMs)]);
  gate.output.destroy();
  if (signal !== null) return { exitCode: null, isInterrupted, reason: `was ended by signal ${signal}` };
  return { exitCode, isInterrupted, reason: `ended with exit code ${exitCode}` };
}

/** Ends what a dead supervisor may have left of its attempt. */
export async function endLostAttempt(leader: ProcessIdentity, spec: RunSpec): Promise<void> {
  const isMember = (pid: number) => hasVariable(pid, 'SLIMFAAS_RUN_NAME', spec.runName);
  await endGroup(leader, spec.graceMs, isMember);
}

/** SIGTERM, then SIGKILL after the grace. Resolves when nothing of the group is alive. */
async function endGroup(
  leader: ProcessIdentity,
  graceMs: number,
  isMember: (pid: number) => boolean,
): Promise<void> {
  if (graceMs > 0) {
    signalGroup(leader, isMember, 'SIGTERM');
    await groupEnd(leader, isMember, graceMs);
  }
  // Again each time: a fork may have slipped past. A process in uninterruptible sleep dies when it wakes.
  while (isGroupAlive(leader, isMember)) {
    signalGroup(leader, isMember, 'SIGKILL');
    await groupEnd(leader, isMember, 1000);
  }
}

async function groupEnd(
  leader: ProcessIdentity,
  isMember: (pid: number) => boolean,
  waitMs: number,
): Promise<void> {
  const pauseMs = 20;
  for (let waitedMs = 0; waitedMs < waitMs && isGroupAlive(leader, isMember); waitedMs += pauseMs) {
    await delay(Math.min(pauseMs, waitMs - waitedMs));
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
