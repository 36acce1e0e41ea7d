import type { Context } from 'koa';
import { Problem } from '../errors.ts';
import { quote } from '../model/fault.ts';
import { isJobId } from '../model/job-id.ts';
import type { ApiParts } from './api-parts.ts';
import { accessOf, jobNotFound } from './job-access.ts';

/** `DELETE /job/<name>/<id>`: 200 once the job, its run and its record are gone. */
export function deleteJob(parts: ApiParts, stopping: AbortSignal): (context: Context) => Promise<void> {
  return async (context) => {
    const { jobName } = accessOf(context);
    const id: string = context['params'].id;
    if (!isJobId(id)) throw jobNotFound(jobName, id);
    const options = { deadlineMs: parts.deadlines.deleteMs, signal: stopping };
    const outcome = await parts.removal.remove(jobName, id, options);
    if (outcome === 'unknown') throw jobNotFound(jobName, id);
    if (outcome === 'pending') {
      throw new Problem(
        'deletion_pending',
        `Job ${quote(id)} is being ended, which takes longer. Ask again.`,
      );
    }
    context.status = 200;
    context.body = { Id: id };
  };
}
