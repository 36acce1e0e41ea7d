import type { EnvironmentVariable, JobSpec } from './job.ts';

/** Stands for every literal environment value that is shown: which of them are secrets, nobody can tell. */
const maskedValue = '***';

/** A spec as the REST API shows it: PascalCase, literal environment values masked, absent keys left out. */
export function jobSpecView(spec: JobSpec): Readonly<Record<string, unknown>> {
  const { requests, limits } = spec.resources;
  const platform = Object.entries(spec.platform).map(([key, value]) => [pascalCase(key), value]);
  return {
    Image: spec.image,
    ...(spec.command === null ? {} : { Command: spec.command }),
    Args: spec.args,
    Environments: spec.environments.map(environmentView),
    Resources: { Requests: requests, Limits: limits },
    DependsOn: spec.dependsOn,
    BackoffLimit: spec.backoffLimit,
    TtlSecondsAfterFinished: spec.ttlSecondsAfterFinished,
    RestartPolicy: spec.restartPolicy,
    ...(spec.activeDeadlineSeconds === null ? {} : { ActiveDeadlineSeconds: spec.activeDeadlineSeconds }),
    ...Object.fromEntries(platform),
  };
}

function environmentView({ name, value, reference }: EnvironmentVariable): Readonly<Record<string, unknown>> {
  if (reference === undefined) return { Name: name, Value: value ? maskedValue : '' };
  const { kind, ...keys } = reference;
  const shown = Object.entries(keys).map(([key, text]) => [pascalCase(key), text]);
  return { Name: name, [kind]: Object.fromEntries(shown) };
}

function pascalCase(key: string): string {
  return `${key.charAt(0).toUpperCase()}${key.slice(1)}`;
}
