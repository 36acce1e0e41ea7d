/** What happened, as a typed record: logs, metrics and tests all read the same events. */
export type JobEvent =
  | { readonly event: 'job_accepted'; readonly jobName: string; readonly jobId: string }
  | { readonly event: 'job_claimed'; readonly jobName: string; readonly jobId: string; readonly term: number }
  | {
      readonly event: 'job_started';
      readonly jobName: string;
      readonly jobId: string;
      readonly runName: string;
    }
  | {
      readonly event: 'job_start_refused';
      readonly jobName: string;
      readonly jobId: string;
      readonly reason: string;
      /** Until the next attempt; null = permanent. */
      readonly retryAfterMs: number | null;
    }
  | {
      readonly event: 'job_run_renamed';
      readonly jobName: string;
      readonly jobId: string;
      readonly runName: string;
    }
  | {
      readonly event: 'job_finished';
      readonly jobName: string;
      readonly jobId: string;
      readonly outcome: string;
      readonly exitCode: number | null;
      readonly reason: string | null;
    }
  | {
      readonly event: 'job_removed';
      readonly jobName: string;
      readonly jobId: string;
      readonly phase: string;
    }
  | { readonly event: 'job_expired'; readonly jobName: string; readonly jobId: string }
  | {
      readonly event: 'orphan_removed';
      readonly jobName: string;
      readonly jobId: string;
      readonly runName: string;
    }
  | {
      readonly event: 'record_undecodable';
      readonly hashset: string;
      readonly field: string;
      readonly error: Error;
    }
  | {
      readonly event: 'work_failed';
      readonly work: string;
      readonly key: string;
      readonly error: Error;
      readonly retryAfterMs: number;
    }
  | { readonly event: 'leader_work_started'; readonly term: number }
  | { readonly event: 'leader_work_ended'; readonly term: number };

/** Takes an event in. Never throws. */
export type Report = (event: JobEvent) => void;
