import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { freePorts, waitFor } from './cluster.ts';
import { Links } from './links.ts';
import { RestartableProcess } from './restartable-process.ts';
import type {
  StoreAnswer,
  StoreCall,
  StoreMemberOptions,
  StoreRequest,
  StoreResponse,
} from './store-member.ts';

const program = path.resolve('dist/test/store-member.js');

/** `lost`: the process ended before it answered; `not_sent`: there was none. */
export type StoreReply = StoreAnswer | { readonly error: 'lost' | 'not_sent' };

/** A real process with one store member, and the calls to it. */
export class StoreProcess extends RestartableProcess {
  readonly #options: StoreMemberOptions;
  #child: ChildProcess | null = null;
  #nextId = 1;
  readonly #pending = new Map<number, (reply: StoreReply) => void>();

  constructor(options: StoreMemberOptions, outputPath: string) {
    super(options.name, outputPath);
    this.#options = options;
  }

  protected override spawn(output: number): ChildProcess {
    const child = spawn(process.execPath, [program, JSON.stringify(this.#options)], {
      stdio: ['ignore', output, output, 'ipc'],
    });
    const first = this.#nextId;
    child.on('message', ({ id, answer }: StoreResponse) => this.#settle(id, answer));
    child.once('exit', () => {
      for (const id of [...this.#pending.keys()].filter((one) => one >= first)) {
        this.#settle(id, { error: 'lost' });
      }
    });
    // A call to a process that is ending cannot be delivered; its end settles the call.
    child.on('error', () => undefined);
    this.#child = child;
    return child;
  }

  /** Resolves when the process answers or ends, however long it is paused meanwhile. */
  call(call: StoreCall, deadlineMs: number): Promise<StoreReply> {
    const child = this.#child;
    if (child === null || !this.isAlive || !child.connected) {
      return Promise.resolve({ error: 'not_sent' });
    }
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve) => {
      this.#pending.set(id, resolve);
      child.send({ id, deadlineMs, call } satisfies StoreRequest);
    });
  }

  #settle(id: number, reply: StoreReply): void {
    this.#pending.get(id)?.(reply);
    this.#pending.delete(id);
  }
}

/**
 * Those of a member that serves, but for the last three: checkpoints come so often, and so little of the log is kept
 * behind them, that most restarts begin with a checkpoint and most members that were away need a snapshot.
 */
const limits: NonNullable<StoreMemberOptions['limits']> = {
  checkpointEntries: 50,
  checkpointBytes: 1_048_576,
  logMarginEntries: 10,
};

export interface StoreTimers {
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
}

/** Three real processes with a store member each; every link between two of them can be made to fail. */
export class StoreCluster implements AsyncDisposable {
  readonly members: readonly StoreProcess[];
  readonly links: Links;
  readonly timers: StoreTimers;
  readonly #directory: string;

  private constructor(
    members: readonly StoreProcess[],
    links: Links,
    timers: StoreTimers,
    directory: string,
  ) {
    this.members = members;
    this.links = links;
    this.timers = timers;
    this.#directory = directory;
  }

  static async start(timers: StoreTimers): Promise<StoreCluster> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'slimdata-'));
    const ports = await freePorts(3);
    const endpoints = ports.map((port, n) => ({ name: `slimdata-${n}`, port }));
    const links = await Links.open(endpoints);
    const members = endpoints.map(({ name, port }) => {
      const options: StoreMemberOptions = {
        name,
        port,
        host: '127.0.0.1',
        members: links.addressesFor(name),
        directory: path.join(directory, name),
        clusterSecret: 'a secret of the test',
        limits,
        ...timers,
      };
      return new StoreProcess(options, path.join(directory, `${name}.log`));
    });
    await Promise.all(members.map(({ name }) => mkdir(path.join(directory, name))));
    const cluster = new StoreCluster(members, links, timers, directory);
    try {
      await Promise.all(members.map((member) => member.start()));
      await cluster.waitUntilServing();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Until every member answers a read. */
  async waitUntilServing(): Promise<void> {
    await waitFor('every member to serve reads', 20_000, async () => {
      const replies = await Promise.all(
        this.members.map((member) => member.call({ call: 'read', key: 'none' }, 1000)),
      );
      return replies.every((reply) => 'value' in reply);
    });
  }

  /** The running member that says it leads, in the highest term; members that are paused are not asked. */
  async leader(): Promise<StoreProcess> {
    return waitFor('a leader', 15_000, async () => {
      const awake = this.members.filter((member) => member.isAlive && !member.isPaused);
      const replies = await Promise.all(
        awake.map(async (member) => ({
          member,
          reply: await member.call({ call: 'leadership' }, 1000),
        })),
      );
      const leaders = replies.flatMap(({ member, reply }) =>
        'role' in reply && reply.role === 'leader' ? [{ member, term: reply.term }] : [],
      );
      leaders.sort((a, b) => b.term - a.term);
      return leaders[0]?.member ?? null;
    });
  }

  othersOf(member: StoreProcess): readonly StoreProcess[] {
    return this.members.filter((other) => other !== member);
  }

  /** How often members logged the event. */
  async eventCount(event: string): Promise<number> {
    const outputs = await Promise.all(this.members.map((member) => member.output()));
    return outputs.join('').split(` ${event} `).length - 1;
  }

  /** Ends that nobody asked for, with what the process last said. */
  async unexpectedEnds(): Promise<string[]> {
    const told = this.members
      .filter(({ unexpectedEnds }) => unexpectedEnds.length > 0)
      .map(async (member) => `${member.unexpectedEnds.join('; ')}:\n${await member.lastOutput()}`);
    return Promise.all(told);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill('SIGKILL')));
    await this.links[Symbol.asyncDispose]();
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}
