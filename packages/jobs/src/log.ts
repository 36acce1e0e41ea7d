import type { Logger } from '@slimfaas/slimdata';
import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from './config.ts';
import type { JobEvent, Report } from './queue/job-event.ts';

export interface LogOptions {
  readonly level: LogLevel;
  /** Name of this member, on every line. */
  readonly member: string;
  /** Where lines go; standard output when absent. */
  readonly destination?: DestinationStream;
}

/** JSON lines: time, level, member, a stable `event` name in snake_case, and the event's facts. */
export function createLog({ level, member, destination }: LogOptions): PinoLogger {
  const options = {
    level,
    base: { member },
    messageKey: 'event',
    errorKey: 'error',
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

const severity: Readonly<Record<JobEvent['event'], keyof Logger>> = {
  job_accepted: 'info',
  job_claimed: 'info',
  job_started: 'info',
  job_start_refused: 'warn',
  job_run_renamed: 'warn',
  job_finished: 'info',
  job_removed: 'info',
  job_expired: 'info',
  orphan_removed: 'warn',
  record_undecodable: 'error',
  work_failed: 'warn',
  leader_work_started: 'info',
  leader_work_ended: 'info',
};

/** Writes every event as a line of its own name. */
export function createEventLog(logger: Logger): Report {
  return ({ event, ...facts }) => logger[severity[event]](facts, event);
}
