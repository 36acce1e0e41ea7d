import type { Job, JobStatus } from './job.ts';

/** A job and what is known of its run. */
export interface ViewedJob {
  readonly job: Pick<Job, 'id' | 'runName' | 'inQueueTimestamp' | 'scheduleId'>;
  readonly status: JobStatus;
  /** From 1; -1 = it has left the queue. */
  readonly positionInQueue: number;
  /** Unix milliseconds; -1 = not yet. */
  readonly startTimestamp: number;
  readonly finishTimestamp: number;
  /** Null = none. */
  readonly exitCode: number | null;
  /** Null = nothing to say. */
  readonly reason: string | null;
  /** 0 = not started. */
  readonly attempts: number;
}

/** A job as `GET /job/<name>` shows it. The last five keys are there once they are known. */
export interface JobView {
  readonly Id: string;
  /** Name of the run on the platform. */
  readonly Name: string;
  readonly Status: JobStatus;
  readonly PositionInQueue: number;
  readonly InQueueTimestamp: number;
  readonly StartTimestamp: number;
  readonly FinishTimestamp?: number;
  readonly ExitCode?: number;
  readonly Reason?: string;
  readonly Attempts?: number;
  readonly ScheduleId?: string;
}

/** Writes a job as the REST API shows it. */
export function jobView(viewed: ViewedJob): JobView {
  const { job } = viewed;
  return {
    Id: job.id,
    Name: job.runName,
    Status: viewed.status,
    PositionInQueue: viewed.positionInQueue,
    InQueueTimestamp: job.inQueueTimestamp,
    StartTimestamp: viewed.startTimestamp,
    ...(viewed.finishTimestamp < 0 ? {} : { FinishTimestamp: viewed.finishTimestamp }),
    ...(viewed.exitCode === null ? {} : { ExitCode: viewed.exitCode }),
    ...(viewed.reason === null ? {} : { Reason: viewed.reason }),
    ...(viewed.attempts === 0 ? {} : { Attempts: viewed.attempts }),
    ...(job.scheduleId === null ? {} : { ScheduleId: job.scheduleId }),
  };
}
