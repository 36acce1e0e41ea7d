/**
 * A supervisor that is killed at the failpoint that stands in the file `failpoint` beside the runs directory. The first
 * one to come by takes the file, so its successor lives.
 */
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { supervise } from '../../../src/runner/process/supervise.ts';

const [, , directory = '', runName = ''] = process.argv;
const file = join(directory, '..', 'failpoint');

function failpoint(name: string): void {
  try {
    if (readFileSync(file, 'utf8') !== name) return;
    renameSync(file, `${file}.taken`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  process.kill(process.pid, 'SIGKILL');
}

await supervise({ directory, runName, now: Date.now, failpoint });
process.exit(0);
