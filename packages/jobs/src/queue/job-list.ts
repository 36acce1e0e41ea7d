import type { Job, JobStatus } from '../model/job.ts';
import { hashsetName } from './hashset-name.ts';
import type { FinishedRecord, RunRecord } from './job-record.ts';
import type { JobRecords, Stored } from './job-records.ts';

/** One job as a reader sees it, whatever phase it is in. */
export interface ListedJob {
  readonly job: Job;
  /** Order of acceptance among the jobs of its name; never changes. Equal only within one transaction. */
  readonly order: number;
  readonly status: JobStatus;
  /** From 1; -1 once it has left the queue. */
  readonly positionInQueue: number;
  /** Unix milliseconds; -1 = not yet. */
  readonly startTimestamp: number;
  readonly finishTimestamp: number;
  readonly exitCode: number | null;
  readonly reason: string | null;
  readonly attempts: number;
}

export interface ListOptions {
  readonly status: JobStatus | null;
  /** Most jobs in the answer, not counting others that were accepted in the same transaction as its last one. */
  readonly limit: number;
  /** Only jobs accepted after this one (`order` of the last job of the page before); -1 = from the first. */
  readonly after: number;
}

export interface JobPage {
  readonly jobs: readonly ListedJob[];
  readonly more: boolean;
}

/** The jobs of one name in order of acceptance, as this member has them applied now. */
export function listJobs(records: JobRecords, jobName: string, options: ListOptions): JobPage {
  const jobs: ListedJob[] = [];
  for (const job of inOrder(started(records, jobName), queued(records, jobName, options.after))) {
    if (job.order <= options.after) continue;
    if (options.status !== null && job.status !== options.status) continue;
    if (jobs.length >= options.limit && job.order !== jobs.at(-1)?.order) return { jobs, more: true };
    jobs.push(job);
  }
  return { jobs, more: false };
}

/** One job of this name, or null. */
export function findJob(records: JobRecords, jobName: string, id: string): ListedJob | null {
  const run = records.run(jobName, id);
  if (run !== undefined) return fromRun(run);
  const finished = records.finishedJob(jobName, id);
  if (finished !== undefined) return fromFinished(finished);
  const waiting = records.queuedJob(jobName, id);
  if (waiting === undefined) return null;
  let position = 1;
  for (const [field] of records.view.entries(hashsetName('Queue', jobName))) {
    if (field === id) break;
    position += 1;
  }
  return fromQueued(waiting.record.job, waiting.createdIndex, position);
}

function started(records: JobRecords, jobName: string): ListedJob[] {
  const jobs: ListedJob[] = [];
  for (const run of records.runs(jobName)) jobs.push(fromRun(run));
  for (const finished of records.finished(jobName)) jobs.push(fromFinished(finished));
  return jobs.sort((a, b) => a.order - b.order);
}

/** Decodes only what comes after `after`, so that a page costs what it shows. */
function* queued(records: JobRecords, jobName: string, after: number): Iterable<ListedJob> {
  let position = 0;
  for (const [id, { createdIndex }] of records.view.entries(hashsetName('Queue', jobName))) {
    position += 1;
    const waiting = createdIndex > after ? records.queuedJob(jobName, id) : undefined;
    if (waiting !== undefined) yield fromQueued(waiting.record.job, createdIndex, position);
  }
}

/** Merges two lists that are each in order; the second is read only as far as it is asked for. */
function* inOrder(first: readonly ListedJob[], second: Iterable<ListedJob>): Iterable<ListedJob> {
  let next = 0;
  for (const job of second) {
    for (let older = first[next]; older !== undefined && older.order < job.order; older = first[next]) {
      yield older;
      next += 1;
    }
    yield job;
  }
  yield* first.slice(next);
}

function fromQueued(job: Job, order: number, positionInQueue: number): ListedJob {
  return {
    job,
    order,
    status: 'Queued',
    positionInQueue,
    startTimestamp: -1,
    finishTimestamp: -1,
    exitCode: null,
    reason: null,
    attempts: 0,
  };
}

function fromRun({ record }: Stored<RunRecord>): ListedJob {
  const { job, order, status, startTimestamp, attempts, deleting } = record;
  const reason = deleting ? 'It is being deleted.' : record.reason;
  const left = { positionInQueue: -1, finishTimestamp: -1, exitCode: null };
  return { job, order, status, startTimestamp, attempts, reason, ...left };
}

function fromFinished({ record }: Stored<FinishedRecord>): ListedJob {
  const { job, order, status, startTimestamp, finishTimestamp, exitCode, reason, attempts } = record;
  const positionInQueue = -1;
  return { job, order, status, positionInQueue, startTimestamp, finishTimestamp, exitCode, reason, attempts };
}
