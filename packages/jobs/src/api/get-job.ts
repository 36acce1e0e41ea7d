import type { Context } from 'koa';
import type { EnvironmentReference, JobSpec } from '../model/job.ts';
import { isJobId } from '../model/job-id.ts';
import { jobView } from '../model/job-view.ts';
import { findJob, type ListedJob } from '../queue/job-list.ts';
import type { ApiParts } from './api-parts.ts';
import { accessOf, jobNotFound } from './job-access.ts';

/** Stands for every literal environment value: which of them are secret is not known here. */
const mask = '***';

/** `GET /job/<name>/<id>`: one job with what it runs. */
export function getJob(parts: ApiParts): (context: Context) => Promise<void> {
  return async (context) => {
    const listed = await readJob(context, parts);
    context.body = { ...jobView(listed), Spec: specView(listed.job.spec) };
  };
}

/** The job that the request's path names. @throws Problem `job_not_found` */
export async function readJob(context: Context, parts: ApiParts): Promise<ListedJob> {
  const { jobName } = accessOf(context);
  const id: string = context['params'].id;
  if (!isJobId(id)) throw jobNotFound(jobName, id);
  await parts.store.readBarrier({ deadlineMs: parts.deadlines.readMs });
  const listed = findJob(parts.records, jobName, id);
  if (listed === null) throw jobNotFound(jobName, id);
  return listed;
}

function specView(spec: JobSpec): Readonly<Record<string, unknown>> {
  return {
    Image: spec.image,
    ...(spec.command === null ? {} : { Command: spec.command }),
    Args: spec.args,
    Environments: spec.environments.map(({ name, reference }) =>
      reference === undefined ? { Name: name, Value: mask } : { Name: name, ...referenceView(reference) },
    ),
    Resources: { Requests: spec.resources.requests, Limits: spec.resources.limits },
    DependsOn: spec.dependsOn,
    BackoffLimit: spec.backoffLimit,
    TtlSecondsAfterFinished: spec.ttlSecondsAfterFinished,
    RestartPolicy: spec.restartPolicy,
    ...(spec.activeDeadlineSeconds === null ? {} : { ActiveDeadlineSeconds: spec.activeDeadlineSeconds }),
    ...Object.fromEntries(Object.entries(spec.platform).map(([key, value]) => [pascalCase(key), value])),
  };
}

function referenceView({ kind, ...facts }: EnvironmentReference): Readonly<Record<string, unknown>> {
  const keys = Object.entries(facts).map(([key, value]) => [pascalCase(key), value]);
  return { [kind]: Object.fromEntries(keys) };
}

function pascalCase(key: string): string {
  return `${key.charAt(0).toUpperCase()}${key.slice(1)}`;
}
