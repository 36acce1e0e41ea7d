/**
 * Measures a local cluster of three: time from the death of the leader to the next accepted job, accepted jobs per
 * second, memory of an idle member. Run with `npm run measure`; it prints one JSON document.
 */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, type MemberProcess } from '../test/cluster.ts';

const kills = 20;
const loadSeconds = 5;

const configuration = JSON.stringify({
  Configurations: {
    // Jobs that stay in the queue: only accepting them is measured.
    waiting: { Image: 'none', Command: ['sleep', '180'], Visibility: 'Public', QueueLimit: 1_000_000 },
  },
});

interface Distribution {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

function distribution(values: readonly number[]): Distribution {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number =>
    Math.round(100 * (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? -1)) / 100;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), worst: at(1) };
}

function residentMiB(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(line?.[1] ?? 0) / 1024);
}

function post(agent: http.Agent, member: MemberProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request(`${member.url}/job/waiting`, { method: 'POST', agent }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    request.on('error', reject);
    request.end('{}');
  });
}

/** `clients` callers post to one member without pause for `loadSeconds`. */
async function load(member: MemberProcess, clients: number): Promise<object> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: clients });
  const latenciesMs: number[] = [];
  const end = performance.now() + 1000 * loadSeconds;
  const caller = async (): Promise<void> => {
    while (performance.now() < end) {
      const begin = performance.now();
      const status = await post(agent, member);
      if (status !== 202) {
        throw new Error(`POST answered ${status}`);
      }
      latenciesMs.push(performance.now() - begin);
    }
  };
  await Promise.all(Array.from({ length: clients }, caller));
  agent.destroy();
  return {
    clients,
    perSecond: Math.round(latenciesMs.length / loadSeconds),
    latencyMs: distribution(latenciesMs),
  };
}

async function failover(cluster: Cluster): Promise<number[]> {
  const timesMs: number[] = [];
  for (let n = 0; n < kills; n += 1) {
    const leader = await cluster.leader();
    const survivor = cluster.members.find((member) => member !== leader) as MemberProcess;
    await delay(500);
    const begin = performance.now();
    await leader.kill('SIGKILL');
    for (;;) {
      const response = await survivor.fetch('/job/waiting', { method: 'POST', body: '{}' });
      if (response.status === 202) {
        break;
      }
    }
    timesMs.push(performance.now() - begin);
    await leader.start();
    await cluster.waitUntilReady();
  }
  return timesMs;
}

await using cluster = await Cluster.start({ configuration });
await delay(5_000);
const idleMiB = cluster.members.map((member) => residentMiB(member.pid));
const failoverMs = distribution(await failover(cluster));
const leader = await cluster.leader();
const follower = cluster.members.find((member) => member !== leader) as MemberProcess;
const loads = [await load(leader, 1), await load(leader, 64), await load(follower, 64)];
console.log(
  JSON.stringify(
    {
      leaderKillToNextAcceptedWriteMs: failoverMs,
      acceptedJobs: { leader: loads.slice(0, 2), follower: loads[2] },
      idleMiB,
    },
    null,
    2,
  ),
);
