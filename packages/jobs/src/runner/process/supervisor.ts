/**
 * The process that carries one run: `supervisor.js <runs directory> <run name>`. It outlives the member that started
 * it, has no standard streams, and says in a file of the run's directory why it died, if it can.
 */
import { writeFileSync } from 'node:fs';
import { runPaths, runsLayout } from './run-directory.ts';
import { supervise } from './supervise.ts';

const [, , directory = '', runName = ''] = process.argv;

function fail(error: unknown): never {
  const text = error instanceof Error ? error.stack : String(error);
  writeFileSync(runPaths(runsLayout(directory), runName).supervisorError, `${text}\n`);
  process.exit(1);
}

process.on('uncaughtException', fail);
await supervise({ directory, runName, now: Date.now }).catch(fail);
process.exit(0);
