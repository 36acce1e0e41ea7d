import type { Job, JobSpec } from '../../model/job.ts';
import { isRunName } from './run-directory.ts';
import type { RunSpec } from './run-facts.ts';

/** What the job does not say itself. */
export interface RunDefaults {
  /** The member's environment; of it a run sees only where it is and how to speak, never the member's settings. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
  readonly firstRetryDelayMs: number;
  readonly retryDelayMaxMs: number;
  readonly graceMs: number;
  readonly logBytesMax: number;
}

export type RunSpecOutcome =
  | { readonly accepted: true; readonly spec: RunSpec }
  | { readonly accepted: false; readonly reason: string };

const passedOn = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR)$/;

/** Turns a job into what a supervisor runs, or says why no supervisor ever can. */
export function createRunSpec(job: Job, defaults: RunDefaults): RunSpecOutcome {
  const fault = findFault(job);
  if (fault !== null) return { accepted: false, reason: fault };
  const { spec } = job;
  return {
    accepted: true,
    spec: {
      format: 1,
      runName: job.runName,
      jobId: job.id,
      jobName: job.name,
      command: [...(spec.command ?? []), ...spec.args],
      environment: createEnvironment(job, defaults.environment),
      workingDirectory: defaults.workingDirectory,
      attemptsMax: 1 + spec.backoffLimit,
      firstRetryDelayMs: defaults.firstRetryDelayMs,
      retryDelayMaxMs: defaults.retryDelayMaxMs,
      activeDeadlineMs: spec.activeDeadlineSeconds === null ? null : spec.activeDeadlineSeconds * 1000,
      graceMs: defaults.graceMs,
      logBytesMax: defaults.logBytesMax,
    },
  };
}

function findFault(job: Job): string | null {
  if (!isRunName(job.runName)) return `Run name "${job.runName}" is not a name that a run can have.`;
  return commandFault(job) ?? referenceFault(job) ?? platformFault(job) ?? textFault(job.spec);
}

function commandFault(job: Job): string | null {
  if (job.spec.command?.[0]) return null;
  return (
    `The Process orchestrator runs a program, and the definition of job "${job.name}" names none; ` +
    'set its key "Command".'
  );
}

function referenceFault(job: Job): string | null {
  const variable = job.spec.environments.find((one) => one.reference !== undefined);
  if (variable === undefined) return null;
  return (
    `Environment variable "${variable.name}" of job "${job.name}" is a ${variable.reference?.kind}, which the ` +
    'Process orchestrator cannot resolve; give its "Value".'
  );
}

function platformFault(job: Job): string | null {
  const keys = Object.keys(job.spec.platform).map((key) => `"${key}"`);
  if (keys.length === 0) return null;
  return (
    `The Process orchestrator cannot apply ${keys.join(', ')}; remove ${keys.length === 1 ? 'it' : 'them'} ` +
    `from the definition of job "${job.name}".`
  );
}

/** What execve(2) cannot carry. */
function textFault(spec: JobSpec): string | null {
  const bad = spec.environments.find(({ name }) => name === '' || /[=\0]/.test(name));
  if (bad !== undefined) return `Environment variable name ${JSON.stringify(bad.name)} cannot be used.`;
  const texts = [...(spec.command ?? []), ...spec.args, ...spec.environments.map(({ value }) => value ?? '')];
  if (!texts.some((text) => text.includes('\0'))) return null;
  return 'A NUL character stands in "Command", "Args" or "Environments"; a program cannot be given one.';
}

function createEnvironment(job: Job, member: RunDefaults['environment']): Record<string, string> {
  const base = Object.entries(member).filter(([name]) => passedOn.test(name));
  const own = job.spec.environments.map(({ name, value }) => [name, value] as const);
  const facts = [
    ['SLIMFAAS_JOB_ID', job.id],
    ['SLIMFAAS_JOB_NAME', job.name],
    ['SLIMFAAS_RUN_NAME', job.runName],
  ] as const;
  const all = [...base, ...own, ...facts].flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return Object.fromEntries(all);
}
