import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Links } from './links.ts';
import { RestartableProcess } from './restartable-process.ts';

const main = path.resolve('packages/jobs/dist/src/main.js');

/** Waits until `probe` answers something other than null or false. */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  probe: () => Promise<T | null | false>,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await probe();
    if (found !== null && found !== false) {
      return found;
    }
    if (performance.now() > deadline) {
      throw new Error(`${what}: not within ${timeoutMs} ms`);
    }
    await delay(20);
  }
}

/**
 * Ports that are free now, below the range that the system hands out by itself: so that none is taken as the
 * local end of some connection while a member is down.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if (!ports.has(port) && (await isPortFree(port))) {
      ports.add(port);
    }
  }
  return [...ports];
}

function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/** False once the process has ended and has been reaped. */
export function isProcessAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') {
      return false;
    }
    throw error;
  }
}

/** A real member process. */
export class MemberProcess extends RestartableProcess {
  readonly url: string;
  readonly environment: NodeJS.ProcessEnv;

  constructor(name: string, url: string, environment: NodeJS.ProcessEnv, outputPath: string) {
    super(name, outputPath);
    this.url = url;
    this.environment = environment;
  }

  protected override spawn(output: number): ChildProcess {
    return spawn(process.execPath, [main, 'serve', '--stop-with-stdin'], {
      env: this.environment,
      stdio: ['pipe', output, output],
    });
  }

  async isReady(): Promise<boolean> {
    const response = await this.fetch('/ready').catch(() => null);
    return response?.status === 200;
  }

  fetch(route: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${route}`, { signal: AbortSignal.timeout(15_000), ...init });
  }

  /** Value of a metric without labels, null when the member does not answer. */
  async metric(name: string): Promise<number | null> {
    const response = await this.fetch('/metrics').catch(() => null);
    const line = (await response?.text())?.split('\n').find((text) => text.startsWith(`${name} `));
    return line === undefined ? null : Number(line.slice(name.length + 1));
  }
}

export interface ClusterOptions {
  readonly members?: number;
  /** Text of the job configuration. */
  readonly configuration: string;
  readonly environment?: NodeJS.ProcessEnv;
  /** Members reach each other through proxies, `links`, rather than directly. */
  readonly hasLinks?: boolean;
}

/** A cluster of real member processes on this machine, in a directory of its own. */
export class Cluster implements AsyncDisposable {
  readonly members: readonly MemberProcess[];
  readonly directory: string;
  readonly #links: Links | null;

  private constructor(members: readonly MemberProcess[], directory: string, links: Links | null) {
    this.members = members;
    this.directory = directory;
    this.#links = links;
  }

  /** The links between the members, which can be made to fail; only of a cluster started with `hasLinks`. */
  get links(): Links {
    if (this.#links === null) {
      throw new Error('this cluster was started without links');
    }
    return this.#links;
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    const count = options.members ?? 3;
    const directory = await mkdtemp(path.join(os.tmpdir(), 'slimfaas-'));
    const ports = await freePorts(2 * count);
    const names = Array.from({ length: count }, (_, n) => `slimfaas-${n}`);
    const endpoints = names.map((name, n) => ({ name, port: ports[2 * n] ?? 0 }));
    const links = options.hasLinks ? await Links.open(endpoints) : null;
    const direct = endpoints.map(({ name, port }) => ({ name, url: `http://127.0.0.1:${port}` }));
    const addressesFor = (name: string): string =>
      (links?.addressesFor(name) ?? direct).map((to) => `${to.name}=${to.url}`).join(',');
    const members = names.map((name, n) => {
      const environment = {
        ...process.env,
        HOSTNAME: name,
        SlimFaas__Orchestrator: 'Process',
        SlimFaas__Port: String(ports[2 * n + 1]),
        SlimFaas__ProcessDirectory: path.join(directory, 'runs'),
        SlimFaas__JobsConfiguration: options.configuration,
        SlimData__Port: String(ports[2 * n]),
        SlimData__Directory: path.join(directory, name, 'raft'),
        SlimData__Members: addressesFor(name),
        ...options.environment,
      };
      const url = `http://127.0.0.1:${ports[2 * n + 1]}`;
      return new MemberProcess(name, url, environment, path.join(directory, `${name}.log`));
    });
    await Promise.all(names.map((name) => mkdir(path.join(directory, name), { recursive: true })));
    const cluster = new Cluster(members, directory, links);
    try {
      await Promise.all(members.map((member) => member.start()));
      await cluster.waitUntilReady();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  async waitUntilReady(): Promise<void> {
    await waitFor('all members ready', 30_000, async () => {
      for (const member of this.members.filter(({ isAlive }) => !isAlive)) {
        throw new Error(`${member.name} ended. Its last output:\n${await member.lastOutput()}`);
      }
      return (await Promise.all(this.members.map((member) => member.isReady()))).every(Boolean);
    });
  }

  /** The living member that says it leads, in the highest term. */
  async leader(): Promise<MemberProcess> {
    return waitFor('a leader', 15_000, async () => {
      const claims = await Promise.all(
        this.members.map(async (member) => ({
          member,
          isLeader: member.isAlive && (await member.metric('slimdata_leader')) === 1,
          term: (await member.metric('slimdata_term')) ?? -1,
        })),
      );
      const leaders = claims.filter(({ isLeader }) => isLeader).sort((a, b) => b.term - a.term);
      return leaders[0]?.member ?? null;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill('SIGKILL')));
    await this.#links?.[Symbol.asyncDispose]();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}
