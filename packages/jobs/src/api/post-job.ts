import { createHash } from 'node:crypto';
import { StoreError } from '@slimfaas/slimdata';
import type { Context } from 'koa';
import { Problem } from '../errors.ts';
import { quote } from '../model/fault.ts';
import type { Job, JobSpec } from '../model/job.ts';
import { createJobId } from '../model/job-id.ts';
import { createRunName } from '../model/job-name.ts';
import { type JobRequest, parseJobRequest } from '../model/job-request.ts';
import { mergeRequest } from '../model/merge-request.ts';
import type { ApiParts } from './api-parts.ts';
import { accessOf, type JobAccess } from './job-access.ts';
import { readRequestBody } from './request-body.ts';

const idempotencyKeyLengthMax = 255;

/** `POST /job/<name>`: 202 once a majority has the job. */
export function postJob(parts: ApiParts): (context: Context) => Promise<void> {
  return async (context) => {
    const access = accessOf(context);
    const { jobName, definition } = access;
    const id = chooseId(context, jobName, parts);
    const request = readRequest(await readRequestBody(context.req, parts.clock));
    const job: Job = {
      id,
      name: jobName,
      runName: createRunName(jobName, parts.randomBytes),
      spec: resolveSpec(access, request, parts),
      inQueueTimestamp: parts.clock.now(),
      scheduleId: null,
    };
    const limits = { queueLimit: definition.queueLimit, configured: definition.source !== 'Default' };
    const outcome = await parts.queue
      .enqueue(job, limits, { deadlineMs: parts.deadlines.writeMs })
      .catch((cause: unknown) => {
        throw tellId(cause, id);
      });
    if (outcome === 'queue_full') {
      const message = `The queue of job ${quote(jobName)} is full: it holds ${definition.queueLimit} jobs.`;
      throw new Problem('queue_full', message);
    }
    if (outcome === 'too_many_names') {
      const message = `Too many job names that are not configured are in use; ${quote(jobName)} would be one more.`;
      throw new Problem('too_many_names', message);
    }
    context.status = 202;
    context.set('Location', `/job/${jobName}/${id}`);
    context.body = { Id: id };
  };
}

/** With the id, the caller of a job that may or may not be accepted can look. */
function tellId(cause: unknown, id: string): unknown {
  if (!(cause instanceof StoreError) || cause.code !== 'timeout') return cause;
  const message = `The cluster did not confirm job ${quote(id)} in time; look for it before trying again.`;
  return new Problem('outcome_unknown', message, { cause, facts: { Id: id } });
}

/** A repeat with the same `Idempotency-Key` has the same id, so it is recognised for as long as the job's record lives. */
function chooseId(context: Context, jobName: string, parts: ApiParts): string {
  const key = context.get('Idempotency-Key');
  if (key === '') return createJobId(parts.randomBytes);
  if (key.length > idempotencyKeyLengthMax) {
    const message = `The Idempotency-Key has ${key.length} characters; at most ${idempotencyKeyLengthMax} are read.`;
    throw new Problem('invalid_value', message);
  }
  const digest = createHash('sha256').update(`${jobName}\n${key}`).digest();
  return createJobId((size) => digest.subarray(0, size));
}

function readRequest(body: Buffer): JobRequest {
  const parsed = parseJobRequest(body);
  if (parsed.ok) return parsed.value;
  const { faults } = parsed;
  const [first] = faults;
  throw new Problem(first?.code ?? 'malformed_json', sentence(faults), { faults });
}

function resolveSpec({ definition, internal }: JobAccess, request: JobRequest, parts: ApiParts): JobSpec {
  const merged = mergeRequest(definition, request, {
    caller: internal ? 'internal' : 'external',
    needs: parts.runner.kind === 'Process' ? 'Command' : 'Image',
  });
  if (merged.ok) return merged.value;
  const { faults } = merged;
  const [first] = faults;
  throw new Problem(first?.code ?? 'invalid_value', sentence(faults), { faults });
}

function sentence(faults: readonly { readonly path: string; readonly message: string }[]): string {
  const [first] = faults;
  if (first === undefined) return 'The request is not valid.';
  const where = first.path === '' ? '' : `${first.path}: `;
  const others = faults.length === 1 ? '' : ` (and ${faults.length - 1} more)`;
  return `${where}${first.message}${others}`;
}
