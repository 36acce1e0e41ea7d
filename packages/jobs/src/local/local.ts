import { mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { interruptRuns } from '../runner/process/interrupt-runs.ts';
import { LocalMember } from './local-member.ts';
import { RotatingFile } from './rotating-file.ts';

export interface LocalOptions {
  readonly members: number;
  readonly data: string;
  readonly configuration?: string;
  readonly port: number;
  readonly storePort: number;
  readonly clean: boolean;
  /** Path of the program's main file, run once for each member. */
  readonly main: string;
}

const outputBytesMax = 8 * 1024 * 1024;
const readyTimeoutMs = 60_000;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Runs a cluster on this machine until a signal; answers the exit status. */
export async function local(options: LocalOptions): Promise<number> {
  const busy = await findBusyPort(options);
  if (busy !== null) {
    say(`Port ${busy} is in use, perhaps by a cluster that still runs. Stop it, or choose others:`);
    say('  --port and --store-port name the first port of each kind.');
    return 1;
  }
  if (options.clean) {
    rmSync(options.data, { recursive: true, force: true });
  }
  const members = createMembers(options);
  const stopping = new AbortController();
  const stopped = stopOnSignal(members, stopping);
  for (const member of members) {
    member.start();
  }
  say(
    `Starting ${members.length} member${members.length === 1 ? '' : 's'}, data in ${path.resolve(options.data)} ...`,
  );
  const outcome = await waitUntilReady(members, stopping.signal);
  if (outcome === 'late') {
    say(
      `Not ready after ${readyTimeoutMs / 1000} s. The members' output is in ${options.data}/<member>/output.log.`,
    );
    await Promise.all(members.map((member) => member.stop()));
    await interruptRuns(path.resolve(options.data, 'runs'));
    return 1;
  }
  if (outcome === 'ready') {
    printWelcome(members, options);
  }
  await stopped;
  await interruptRuns(path.resolve(options.data, 'runs'));
  say('Stopped. The state is kept; the next start finds it again, and --clean removes it.');
  return 0;
}

async function findBusyPort(options: LocalOptions): Promise<number | null> {
  for (let n = 0; n < options.members; n += 1) {
    for (const port of [options.port + n, options.storePort + n]) {
      if (!(await isPortFree(port))) {
        return port;
      }
    }
  }
  return null;
}

function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

function createMembers(options: LocalOptions): LocalMember[] {
  const names = Array.from({ length: options.members }, (_, n) => `slimfaas-${n}`);
  const addresses = names.map((name, n) => `${name}=http://127.0.0.1:${options.storePort + n}`).join(',');
  return names.map((name, n) => {
    const directory = path.resolve(options.data, name);
    mkdirSync(directory, { recursive: true });
    const environment: NodeJS.ProcessEnv = {
      ...process.env,
      HOSTNAME: name,
      SlimFaas__Orchestrator: 'Process',
      SlimFaas__Port: String(options.port + n),
      SlimFaas__ProcessDirectory: path.resolve(options.data, 'runs'),
      SlimData__Port: String(options.storePort + n),
      SlimData__Directory: path.join(directory, 'raft'),
      SlimData__Members: addresses,
    };
    if (options.configuration !== undefined) {
      environment['SlimFaas__JobsConfigurationFile'] = path.resolve(options.configuration);
    }
    return new LocalMember({
      name,
      main: options.main,
      environment,
      url: `http://localhost:${options.port + n}`,
      output: new RotatingFile(path.join(directory, 'output.log'), outputBytesMax),
      tell: say,
    });
  });
}

/** The first signal stops the members gracefully, a second one at once. Resolves when all have ended. */
function stopOnSignal(members: readonly LocalMember[], stopping: AbortController): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      say(stopping.signal.aborted ? 'Stopping at once ...' : '\nStopping (once more to stop at once) ...');
      stopping.abort();
      Promise.all(members.map((member) => member.stop())).then(() => resolve(), reject);
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}

async function waitUntilReady(
  members: readonly LocalMember[],
  stopping: AbortSignal,
): Promise<'ready' | 'late' | 'stopping'> {
  const deadline = performance.now() + readyTimeoutMs;
  while (!stopping.aborted && performance.now() < deadline) {
    const answers = await Promise.all(members.map((member) => member.isReady()));
    if (answers.every(Boolean)) {
      return 'ready';
    }
    await delay(100);
  }
  return stopping.aborted ? 'stopping' : 'late';
}

function printWelcome(members: readonly LocalMember[], options: LocalOptions): void {
  const [first, second, third] = [members[0], members[1] ?? members[0], members[2] ?? members[0]];
  say('\nReady. Any member answers any request:');
  members.forEach((member, n) => {
    say(`  ${member.name}  ${member.url}  (peers on port ${options.storePort + n}, process ${member.pid})`);
  });
  say(`\nTry next, in another terminal:
  curl -X POST ${first?.url}/job/fibonacci -d '{"Args":["42","43"]}'
  curl ${second?.url}/job/fibonacci
  curl ${third?.url}/ready

Kill any member's process (kill -9): the others go on, and it is started again. Ctrl-C stops all of it.`);
}
