/**
 * `start-and-die.js <runs directory> <failpoint> <job as JSON>`: starts the job, and is killed at the failpoint as by
 * SIGKILL from outside. With a failpoint that does not exist it ends by itself.
 */
import { createProcessRunner } from '../../../src/runner/process/process-runner.ts';
import { quickly } from './process-fixture.ts';

const [, , directory = '', failpoint = '', job = ''] = process.argv;
const runner = createProcessRunner({
  directory,
  environment: { PATH: process.env['PATH'] },
  workingDirectory: '/',
  logger: { info: () => {}, warn: () => {}, error: () => {} },
  ...quickly,
  failpoint(name) {
    if (name === failpoint) process.kill(process.pid, 'SIGKILL');
  },
});
await runner.start(JSON.parse(job));
await runner.close();
