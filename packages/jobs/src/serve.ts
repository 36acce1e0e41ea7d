import process from 'node:process';
import { parseSlimDataConfig } from '@slimfaas/slimdata';
import { parseConfig } from './config.ts';
import { createLog } from './log.ts';
import { formatFaults } from './model/fault.ts';
import { openService, type ServiceConfig } from './service.ts';

export interface ServeOptions {
  /** Also stop gracefully when standard input ends: for a parent that may be killed. */
  readonly stopWithStdin: boolean;
}

type Log = ReturnType<typeof createLog>;

/**
 * Runs one member, configured by the environment, until SIGTERM or SIGINT, and ends the process: 0 after a graceful
 * stop, 1 when it cannot start or go on (the last line says why), 128 + signal when a second signal cuts the stop short.
 */
export async function serve({ stopWithStdin }: ServeOptions): Promise<void> {
  const config = readConfig(process.env);
  if (config === null) return end(1);
  const log = createLog({ level: config.jobs.logLevel, member: config.store.name });
  const fail = (error: unknown): void => {
    log.fatal({ error }, 'fatal');
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    end(1);
  };
  process.once('uncaughtException', fail);
  process.once('unhandledRejection', fail);
  const stopAsked = waitForStop(log, stopWithStdin);
  for (const warning of config.jobs.warnings) log.warn({ warning }, 'configuration_warning');
  if (config.store.directoryIsDefault) {
    const warning = `SlimData__Directory is not set; the state is kept in "${config.store.directory}".`;
    log.warn({ warning }, 'configuration_warning');
  }
  try {
    const service = await openService(config, {
      logger: log,
      onFatal: fail,
      environment: process.env,
      workingDirectory: process.cwd(),
    });
    await stopAsked;
    await service.close();
    end(0);
  } catch (error) {
    fail(error);
  }
}

/** Both packages' variables, or null after every fault of both has been told. */
function readConfig(environment: NodeJS.ProcessEnv): ServiceConfig | null {
  const jobs = parseConfig(environment);
  const store = parseSlimDataConfig(environment);
  const faults = [...(jobs.ok ? [] : jobs.faults), ...('faults' in store ? store.faults : [])];
  if (jobs.ok && 'config' in store) return { jobs: jobs.value, store: store.config };
  const lines = formatFaults(faults.map((fault) => ({ code: 'invalid_value', ...fault })));
  process.stderr.write(`The configuration has ${faults.length} fault(s):\n${lines}\n`);
  return null;
}

/** Resolves at the first request to stop; a second signal ends the process at once. */
function waitForStop(log: Log, stopWithStdin: boolean): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const ask = (signal: string): void => {
      asked = true;
      log.info({ signal }, 'stop_asked');
      resolve();
    };
    for (const [signal, code] of [
      ['SIGTERM', 143],
      ['SIGINT', 130],
    ] as const) {
      process.on(signal, () => (asked ? end(code) : ask(signal)));
    }
    if (!stopWithStdin) return;
    process.stdin.once('end', () => ask('stdin')).once('error', () => ask('stdin'));
    process.stdin.resume();
  });
}

function end(code: number): never {
  process.exit(code);
}
