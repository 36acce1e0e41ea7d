import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { RunnerError } from '../runner.ts';

export interface SupervisorLaunchOptions {
  readonly directory: string;
  /** Script of the supervisor. */
  readonly supervisorPath: string;
  /** `PATH` of the member; a supervisor is given nothing else of its environment. */
  readonly searchPath: string | undefined;
  readonly now: () => number;
}

/** Starts supervisors. That none too many of them goes to work is the business of their lock, not of this. */
export interface SupervisorLaunch {
  /** Starts one, unless the last one started here is still on its way or was started too recently. */
  launch(runName: string): Promise<void>;
  forget(runName: string): void;
}

interface Launched {
  hasExited: boolean;
  count: number;
  notBefore: number;
}

const firstPauseMs = 250;
const pauseMaxMs = 60_000;

export function createSupervisorLaunch(options: SupervisorLaunchOptions): SupervisorLaunch {
  const launched = new Map<string, Launched>();
  // A supervisor mostly waits: no worker threads of the engine, one thread for files, a small heap.
  const flags = ['--v8-pool-size=0', '--max-old-space-size=64', '--max-semi-space-size=1'];
  const environment = { UV_THREADPOOL_SIZE: '1', PATH: options.searchPath ?? '/usr/bin:/bin' };

  function mayLaunch(last: Launched): boolean {
    const leftMs = last.notBefore - options.now();
    return last.hasExited && (leftMs <= 0 || leftMs > pauseMaxMs);
  }

  return {
    async launch(runName) {
      const last = launched.get(runName) ?? { hasExited: true, count: 0, notBefore: 0 };
      if (!mayLaunch(last)) return;
      launched.set(runName, last);
      last.hasExited = false;
      last.notBefore = options.now() + Math.min(pauseMaxMs, firstPauseMs * 2 ** last.count);
      last.count += 1;
      const args = [...flags, options.supervisorPath, options.directory, runName];
      const child = spawn(process.execPath, args, {
        cwd: '/',
        env: environment,
        detached: true,
        stdio: 'ignore',
      });
      child.once('exit', () => {
        last.hasExited = true;
      });
      try {
        await once(child, 'spawn');
        child.unref();
      } catch (cause) {
        last.hasExited = true;
        throw new RunnerError('refused', `The supervisor of run "${runName}" could not be started.`, {
          cause,
        });
      }
    },
    forget: (runName) => launched.delete(runName),
  };
}
