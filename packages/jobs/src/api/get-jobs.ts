import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Context } from 'koa';
import { Problem } from '../errors.ts';
import { quote } from '../model/fault.ts';
import type { JobStatus } from '../model/job.ts';
import { jobView } from '../model/job-view.ts';
import { type JobPage, type ListedJob, type ListOptions, listJobs } from '../queue/job-list.ts';
import type { JobRecords } from '../queue/job-records.ts';
import type { ApiParts } from './api-parts.ts';
import { accessOf } from './job-access.ts';

const statuses: readonly JobStatus[] = [
  'Queued',
  'Pending',
  'Running',
  'Succeeded',
  'Failed',
  'ImagePullBackOff',
];
const parameters = ['status', 'limit', 'continue'];
/** More than this is asked for page by page. */
const limitMax = 10_000;
/** Jobs read before others get their turn. */
const turnJobsMax = 250;

/**
 * `GET /job/<name>`: the jobs of this name, oldest first. When there are more than the answer holds, `Link` names the
 * next page (RFC 8288).
 */
export function getJobs(parts: ApiParts): (context: Context) => Promise<void> {
  return async (context) => {
    const { jobName } = accessOf(context);
    const options = parseListOptions(context.query);
    await parts.store.readBarrier({ deadlineMs: parts.deadlines.readMs });
    const { jobs, more } = await listInTurns(parts.records, jobName, options);
    const last = jobs.at(-1);
    if (more && last !== undefined) {
      const query = new URLSearchParams({ limit: String(options.limit), continue: String(last.order) });
      if (options.status !== null) query.set('status', options.status);
      context.set('Link', `</job/${jobName}?${query}>; rel="next"`);
    }
    context.body = jobs.map(jobView);
  };
}

/** A long list is read piece by piece, so that other requests are not kept waiting. */
async function listInTurns(records: JobRecords, jobName: string, options: ListOptions): Promise<JobPage> {
  const jobs: ListedJob[] = [];
  let { after } = options;
  for (;;) {
    const limit = Math.min(turnJobsMax, options.limit - jobs.length);
    const page = listJobs(records, jobName, { ...options, limit, after });
    jobs.push(...page.jobs);
    const last = page.jobs.at(-1);
    if (!page.more || last === undefined || jobs.length >= options.limit) return { jobs, more: page.more };
    after = last.order;
    await nextTurn();
  }
}

function parseListOptions(query: Context['query']): ListOptions {
  const unknown = Object.keys(query).find((key) => !parameters.includes(key));
  if (unknown !== undefined) {
    throw new Problem(
      'invalid_query',
      `${quote(unknown)} is not read here; known are ${parameters.join(', ')}.`,
    );
  }
  return {
    status: parseStatus(single(query, 'status')),
    limit: parseCount('limit', single(query, 'limit'), 1, limitMax) ?? limitMax,
    after: parseCount('continue', single(query, 'continue'), 0, Number.MAX_SAFE_INTEGER) ?? -1,
  };
}

function single(query: Context['query'], key: string): string | null {
  const value = query[key];
  if (Array.isArray(value)) throw new Problem('invalid_query', `"${key}" is given more than once; keep one.`);
  return value ?? null;
}

function parseStatus(text: string | null): JobStatus | null {
  if (text === null) return null;
  const status = statuses.find((known) => known.toLowerCase() === text.toLowerCase());
  if (status !== undefined) return status;
  throw new Problem('invalid_query', `status ${quote(text)} is not one of ${statuses.join(', ')}.`);
}

function parseCount(key: string, text: string | null, min: number, max: number): number | null {
  if (text === null) return null;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Problem('invalid_query', `${key} ${quote(text)} is not a whole number from ${min} to ${max}.`);
}
