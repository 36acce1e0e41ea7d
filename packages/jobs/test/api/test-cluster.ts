import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../src/config.ts';
import { parseConfig } from '../../src/config.ts';
import { defaultDispatchTimes } from '../../src/dispatch/leader-term.ts';
import { openService, type Service } from '../../src/service.ts';
import { EventLog } from '../queue/test-store.ts';
import { freePort } from './leaderless-store.ts';

/** Whole members in this process, with real storage, sockets and child processes. */
export interface TestCluster extends AsyncDisposable {
  readonly members: readonly { readonly service: Service; readonly url: string; readonly events: EventLog }[];
  /** Member that leads, by its own word. */
  leader(): Promise<number>;
}

const configuration = {
  Configurations: {
    echo: {
      Visibility: 'Public',
      NumberParallelJob: 2,
      Command: ['/bin/sh', '-c', 'echo "args: $*"', 'echo'],
    },
    nap: { Visibility: 'Public', Command: ['/bin/sleep', '30'] },
    brief: { Visibility: 'Public', Command: ['/bin/sleep', '0.7'] },
    bare: { Visibility: 'Public' },
  },
};

export async function openTestCluster(count: number): Promise<TestCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'slimfaas-cluster-'));
  const ports = await Promise.all(Array.from({ length: count }, () => freePort()));
  const addresses = ports.map((port, index) => ({
    name: `member-${index}`,
    url: `http://127.0.0.1:${port}`,
  }));
  const members = await Promise.all(
    addresses.map(async ({ name }, index) => {
      const events = new EventLog();
      const store = {
        name,
        members: addresses,
        directory: join(directory, name),
        directoryIsDefault: false,
        host: '127.0.0.1',
        port: ports[index] ?? 0,
        clusterSecret: null,
        heartbeatMs: 20,
        electionTimeoutMs: 150,
      };
      const service = await openService(
        { store, jobs: jobsConfig(join(directory, 'runs')) },
        {
          logger: { info() {}, warn() {}, error() {} },
          onFatal: (error) => {
            throw error;
          },
          environment: process.env,
          workingDirectory: directory,
          host: '127.0.0.1',
          onEvent: events.report,
          times: { ...defaultDispatchTimes, reconcileIntervalMs: 500 },
        },
      );
      return { service, url: `http://127.0.0.1:${service.port}`, events };
    }),
  );
  return {
    members,
    leader: () => findLeader(members.map(({ url }) => url)),
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map(({ service }) => service.close()));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function jobsConfig(processDirectory: string): Config {
  const parsed = parseConfig({
    SlimFaas__Port: '0',
    SlimFaas__Orchestrator: 'Process',
    SlimFaas__ProcessDirectory: processDirectory,
    SlimFaas__JobsConfiguration: JSON.stringify(configuration),
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.value;
}

async function findLeader(urls: readonly string[]): Promise<number> {
  for (;;) {
    const scraped = await Promise.all(
      urls.map((url) =>
        fetch(`${url}/metrics`).then(
          (response) => response.text(),
          () => '',
        ),
      ),
    );
    const leader = scraped.findIndex((text) => /^slimdata_leader 1$/m.test(text));
    if (leader !== -1) return leader;
  }
}
