import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job, JobSpec } from '../../../src/model/job.ts';
import {
  createProcessRunner,
  type ProcessRunner,
  type ProcessRunnerOptions,
} from '../../../src/runner/process/process-runner.ts';
import type { Behaviour, RunnerFixture } from '../runner-contract.ts';

/** A runs directory of its own, and jobs that are shell scripts. */
export interface ProcessFixture extends RunnerFixture {
  readonly directory: string;
  /** For files of the test, beside the runs directory. */
  readonly workDirectory: string;
  createRunner(options?: Partial<ProcessRunnerOptions>): ProcessRunner;
  /** A job that runs this script, which first notes that it began. */
  script(script: string, spec?: Partial<JobSpec>): Job;
  /** Errors and warnings that runners logged. */
  readonly complaints: readonly string[];
}

export const quickly = { firstRetryDelayMs: 20, reconcileIntervalMs: 100, graceMs: 400 };

export async function createProcessFixture(): Promise<ProcessFixture> {
  const root = await mkdtemp(join(tmpdir(), 'process-runner-'));
  const directory = join(root, 'runs');
  const runners: ProcessRunner[] = [];
  const complaints: string[] = [];
  const complain = (facts: object, event: string) =>
    complaints.push(`${event} ${String(Object.values(facts))}`);
  const logger = { info: () => {}, warn: complain, error: complain };
  const notes = (job: Job) => join(root, `${job.runName}.begun`);
  const releaseFile = (job: Job) => join(root, `${job.runName}.release`);

  function createRunner(options?: Partial<ProcessRunnerOptions>): ProcessRunner {
    const environment = { PATH: process.env['PATH'] };
    const runner = createProcessRunner({
      directory,
      environment,
      workingDirectory: root,
      logger,
      ...quickly,
      ...options,
    });
    runners.push(runner);
    return runner;
  }

  function script(text: string, spec?: Partial<JobSpec>): Job {
    const job = createJob({ ...spec });
    const command = ['/bin/sh', '-c', `echo "$SLIMFAAS_ATTEMPT" >> '${notes(job)}'\n${text}`];
    return { ...job, spec: { ...job.spec, command } };
  }

  function job(behaviour: Behaviour): Job {
    const exits = behaviour.exits ?? [0];
    const wait = (file: string) => `until [ -e '${file}' ]; do sleep 0.02; done; echo released`;
    const named = script('', { backoffLimit: behaviour.backoffLimit ?? 0 });
    const lines = [
      `echo "$SLIMFAAS_ATTEMPT" >> '${notes(named)}'`,
      behaviour.prints === undefined ? '' : `echo '${behaviour.prints}'`,
      behaviour.waits ? wait(releaseFile(named)) : '',
      ...exits.slice(0, -1).map((code, index) => `[ "$SLIMFAAS_ATTEMPT" = ${index + 1} ] && exit ${code}`),
      `exit ${exits.at(-1)}`,
    ];
    return { ...named, spec: { ...named.spec, command: ['/bin/sh', '-c', lines.join('\n')] } };
  }

  return {
    directory,
    workDirectory: root,
    complaints,
    createRunner,
    script,
    job,
    async begun(job) {
      const text = await readFile(notes(job), 'utf8').catch(() => '');
      return text.split('\n').filter(Boolean).map(Number);
    },
    release: (job) => writeFile(releaseFile(job), ''),
    async close() {
      for (const runner of runners) await runner.close();
      const janitor = createRunner();
      const names = await readdir(directory);
      await Promise.all(names.filter((name) => !name.startsWith('.')).map((name) => janitor.cancel(name)));
      await janitor.close();
      // A supervisor that came too late may still be looking.
      await rm(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** A job that is complete but for what it runs. */
export function createJob(spec: Partial<JobSpec>): Job {
  const id = randomUUID();
  return {
    id,
    name: 'probe',
    runName: `probe-slimfaas-job-${id.slice(0, 8)}`,
    spec: {
      image: '',
      command: null,
      args: [],
      environments: [],
      resources: { requests: {}, limits: {} },
      dependsOn: [],
      backoffLimit: 0,
      ttlSecondsAfterFinished: 60,
      restartPolicy: 'Never',
      activeDeadlineSeconds: null,
      platform: {},
      ...spec,
    },
    inQueueTimestamp: 1,
    scheduleId: null,
  };
}

/** Does this process run? Not when it is a zombie that its new parent has not reaped yet. */
export async function isRunning(pid: string): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
  return !/\) [ZX]/.test(stat);
}
