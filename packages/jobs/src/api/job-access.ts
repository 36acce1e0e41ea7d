import type { Context, Next } from 'koa';
import { Problem } from '../errors.ts';
import { quote } from '../model/fault.ts';
import type { JobDefinition } from '../model/job.ts';
import { parseJobName } from '../model/job-name.ts';
import type { ApiParts } from './api-parts.ts';
import { createIsInternal } from './caller.ts';

/** What every job route knows before it begins. */
export interface JobAccess {
  readonly jobName: string;
  readonly definition: JobDefinition;
  readonly internal: boolean;
}

/**
 * Decides once, before anything expensive, which job a request is about and whether its caller may touch it. What is
 * Private refuses a POST from outside by name, and is not there for anything else.
 */
export function admitCaller(
  parts: Pick<ApiParts, 'definitionOf' | 'internalToken'>,
): (context: Context, next: Next) => Promise<void> {
  const isInternal = createIsInternal(parts.internalToken);
  return async (context, next) => {
    const name = parseJobName(context['params'].name);
    if (!name.ok) {
      const [fault] = name.faults;
      throw new Problem('invalid_name', fault?.message ?? 'This is not a job name.', { faults: name.faults });
    }
    const definition = parts.definitionOf(name.value);
    const internal = isInternal(context.get('Authorization'));
    if (definition.visibility !== 'Public' && !internal) throw refusal(context, name.value);
    const access: JobAccess = { jobName: name.value, definition, internal };
    context.state['access'] = access;
    await next();
  };
}

function refusal(context: Context, jobName: string): Problem {
  if (context.method !== 'POST') return jobNotFound(jobName, context['params'].id);
  const message = `Job ${quote(jobName)} is Private; only internal callers may start it.`;
  return new Problem('visibility_private', message);
}

/** Says the same whether there is no such job or the caller may not see it. */
export function jobNotFound(jobName: string, id: string | undefined): Problem {
  const message =
    id === undefined
      ? `There is no job ${quote(jobName)}.`
      : `Job ${quote(jobName)} has no job ${quote(id)}.`;
  return new Problem('job_not_found', message);
}

/** The access that `admitCaller` decided. */
export function accessOf(context: Context): JobAccess {
  return context.state['access'];
}
