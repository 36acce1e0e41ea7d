import { readdir } from 'node:fs/promises';
import { endLostAttempt } from './attempt.ts';
import { isProcessAlive, signalProcess } from './process-identity.ts';
import { ignoreAbsence, isRunName, type RunsLayout, readRun, runPaths, runsLayout } from './run-directory.ts';

/**
 * Ends every process of the runs in a directory that no runner has open any more, as a power cut would, only with
 * SIGTERM and the grace first. The interrupted attempts count as lost: when a runner opens the directory again, each
 * run goes on with its next attempt, or fails if it has none left.
 */
export async function interruptRuns(directory: string): Promise<void> {
  const layout = runsLayout(directory);
  const names = (await ignoreAbsence(readdir(directory))) ?? [];
  await Promise.all(names.filter(isRunName).map((runName) => interruptRun(layout, runName)));
}

async function interruptRun(layout: RunsLayout, runName: string): Promise<void> {
  const run = await readRun(runPaths(layout, runName));
  if (run === null || run.outcome !== null) {
    return;
  }
  // The supervisor first: it would take the end of its command for an outcome.
  if (run.supervisor !== null && isProcessAlive(run.supervisor, layout.presence)) {
    signalProcess(run.supervisor, 'SIGKILL');
  }
  if (run.lastAttempt?.process != null && run.lastEnd === null) {
    await endLostAttempt(run.lastAttempt.process, run.spec);
  }
}
