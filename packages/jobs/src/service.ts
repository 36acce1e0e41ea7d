import { randomBytes } from 'node:crypto';
import { type Logger, type Member, openMember, type SlimDataConfig } from '@slimfaas/slimdata';
import { type Api, openApi } from './api/api.ts';
import { type ApiDeadlines, defaultApiDeadlines } from './api/api-parts.ts';
import type { Config } from './config.ts';
import { type Clock, systemClock } from './dispatch/clock.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { type DispatchTimes, defaultDispatchTimes } from './dispatch/leader-term.ts';
import { LeaderWork } from './dispatch/leader-work.ts';
import { RunStates } from './dispatch/run-states.ts';
import { createEventLog } from './log.ts';
import { createMetrics } from './metrics.ts';
import { createRunName } from './model/job-name.ts';
import { definitionOf } from './model/jobs-configuration.ts';
import type { JobEvent, Report } from './queue/job-event.ts';
import { JobQueue } from './queue/job-queue.ts';
import { JobRecords } from './queue/job-records.ts';
import { JobRemoval } from './queue/job-removal.ts';
import { createProcessRunner } from './runner/process/process-runner.ts';
import type { Runner } from './runner/runner.ts';

/** Everything that one member is configured by. */
export interface ServiceConfig {
  readonly store: SlimDataConfig;
  readonly jobs: Config;
}

export interface ServiceOptions {
  readonly logger: Logger;
  /** The member cannot go on; the process must end. */
  readonly onFatal: (error: Error) => void;
  /** What local processes may inherit from (the Process runner picks a few variables), and where they begin. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
  /** Address of the REST port; null = all of them. */
  readonly host?: string | null;
  /** Also told of every event, besides the log and the metrics. */
  readonly onEvent?: Report;
  readonly clock?: Clock;
  readonly times?: DispatchTimes;
  readonly deadlines?: ApiDeadlines;
}

/** One running member. */
export interface Service extends AsyncDisposable {
  /** REST, as bound. */
  readonly port: number;
  /** Peers and store, as bound. */
  readonly storePort: number;
  /** Ordered stop: no new requests, those under way answered, leader work ended, leadership handed over, storage closed. */
  close(): Promise<void>;
}

/** How long a stop waits for requests, and then for the leader's work. */
const requestsDeadlineMs = 10_000;
const leaderWorkDeadlineMs = 5000;

/** Opens one member: storage, runner, leader work, REST, in this order. @throws what keeps it from being opened. */
export async function openService(config: ServiceConfig, options: ServiceOptions): Promise<Service> {
  const { logger, onFatal } = options;
  // What was opened, newest first, is what a failed opening closes.
  const opened: (() => Promise<void>)[] = [];
  try {
    const member = await openMember({ ...config.store, logger, onFatal });
    opened.unshift(() => member.close());
    const runner = createProcessRunner({
      directory: config.jobs.processDirectory,
      environment: options.environment,
      workingDirectory: options.workingDirectory,
      logger,
    });
    const states = new RunStates();
    await runner.open(states.report);
    opened.unshift(() => runner.close());
    const parts = compose(config, options, member, runner);
    const leaderWork = openLeaderWork(parts, states);
    opened.unshift(() => leaderWork.close(leaderWorkDeadlineMs));
    const api = await openRest(parts);
    logger.info({ port: api.port, storePort: member.port, runner: runner.kind }, 'service_opened');
    return createService({ api, leaderWork, member, runner, logger });
  } catch (error) {
    for (const close of opened) await close();
    throw error;
  }
}

interface Parts {
  readonly config: ServiceConfig;
  readonly options: ServiceOptions;
  readonly member: Member;
  readonly runner: Runner;
  readonly clock: Clock;
  readonly report: Report;
  readonly metrics: ReturnType<typeof createMetrics>;
  readonly records: JobRecords;
  readonly queue: JobQueue;
}

function compose(config: ServiceConfig, options: ServiceOptions, member: Member, runner: Runner): Parts {
  const metrics = createMetrics(member);
  const sinks: readonly Report[] = [
    createEventLog(options.logger),
    metrics.event,
    options.onEvent ?? (() => {}),
  ];
  const report = (event: JobEvent): void => {
    for (const sink of sinks) sink(event);
  };
  const records = new JobRecords(member, report);
  const queue = new JobQueue(member, report);
  const clock = options.clock ?? systemClock;
  return { config, options, member, runner, clock, report, metrics, records, queue };
}

function openLeaderWork(parts: Parts, states: RunStates): LeaderWork {
  const { config, member: store, runner, clock, report, records, queue } = parts;
  const times = parts.options.times ?? defaultDispatchTimes;
  return new LeaderWork({
    store,
    clock,
    report,
    failureBackoff: times.failureBackoff,
    barrierDeadlineMs: times.transactionDeadlineMs,
    work: (term, signal) => {
      const dispatcher = new Dispatcher({
        store,
        records,
        queue,
        runner,
        states,
        findDefinition: (jobName) => definitionOf(config.jobs.jobs, jobName),
        createRunName: (jobName) => createRunName(jobName, randomBytes),
        clock,
        report,
        times,
        claimant: { member: store.member, term },
        signal,
      });
      return dispatcher.run();
    },
  });
}

function openRest(parts: Parts): Promise<Api> {
  const { config, options, member: store, runner, clock, report, metrics, records, queue } = parts;
  const { logger } = options;
  return openApi(
    {
      store,
      records,
      queue,
      removal: new JobRemoval(store, records, report),
      runner,
      definitionOf: (jobName) => definitionOf(config.jobs.jobs, jobName),
      internalToken: config.jobs.internalToken,
      registry: metrics.registry,
      clock,
      randomBytes,
      deadlines: options.deadlines ?? defaultApiDeadlines,
    },
    {
      host: options.host ?? null,
      port: config.jobs.port,
      onInternalError: (error, requestId) => logger.error({ error, requestId }, 'request_failed'),
      onAnswer: (answer) => {
        metrics.answer(answer);
        if (answer.method !== 'GET') logger.info(answer, 'request_answered');
      },
    },
  );
}

interface Running {
  readonly api: Api;
  readonly leaderWork: LeaderWork;
  readonly member: Member;
  readonly runner: Runner;
  readonly logger: Logger;
}

function createService({ api, leaderWork, member, runner, logger }: Running): Service {
  let closing: Promise<void> | null = null;
  const stop = async (): Promise<void> => {
    logger.info({}, 'service_stopping');
    await api.close(requestsDeadlineMs);
    await leaderWork.close(leaderWorkDeadlineMs);
    await member.close();
    await runner.close();
    logger.info({}, 'service_stopped');
  };
  const close = (): Promise<void> => {
    closing ??= stop();
    return closing;
  };
  return { port: api.port, storePort: member.port, close, [Symbol.asyncDispose]: close };
}
