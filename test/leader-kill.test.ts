import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { Cluster, type MemberProcess, waitFor } from './cluster.ts';
import { cap, loadConfiguration } from './job-load.ts';

const jobCount = 200;
const killCount = 20;
interface Listed {
  readonly Id: string;
  readonly Name: string;
  readonly Status: string;
  readonly Attempts?: number;
}

/** Posts jobs to the members in turn until `jobCount` were accepted; answers token -> job id. */
async function postAll(
  cluster: Cluster,
  runFile: string,
  progress: { accepted: number; kills: number },
): Promise<Map<string, string>> {
  const accepted = new Map<string, string>();
  for (let attempt = 0; accepted.size < jobCount; attempt += 1) {
    const member = cluster.members[attempt % cluster.members.length] as MemberProcess;
    const body = JSON.stringify({
      Args: [`token-${attempt}`],
      Environments: [
        { name: 'RUN_FILE', value: runFile },
        { name: 'SECONDS_EACH', value: '0.2' },
      ],
    });
    const response = await member.fetch('/job/append', { method: 'POST', body }).catch(() => null);
    if (response?.status === 202) {
      accepted.set(`token-${attempt}`, ((await response.json()) as { Id: string }).Id);
    }
    progress.accepted = accepted.size;
    // Spread over the kills: post ahead of them by no more than one kill's share.
    await waitFor(
      'the kills to go on',
      120_000,
      async () =>
        accepted.size < ((progress.kills + 1) * jobCount) / killCount || progress.kills >= killCount,
    );
  }
  return accepted;
}

async function killLeaders(cluster: Cluster, progress: { accepted: number; kills: number }): Promise<void> {
  while (progress.kills < killCount) {
    const leader = await cluster.leader();
    await delay(200 + Math.random() * 600);
    await leader.kill('SIGKILL');
    await delay(Math.random() * 300);
    await leader.start();
    progress.kills += 1;
  }
}

describe('a leader that is killed again and again', () => {
  it(`loses no job, runs none twice and keeps the cap (${killCount} kills, ${jobCount} jobs)`, async function () {
    this.timeout(300_000);
    await using cluster = await Cluster.start({ configuration: loadConfiguration() });
    const runFile = path.join(cluster.directory, 'run-file');
    const progress = { accepted: 0, kills: 0 };

    const [accepted] = await Promise.all([
      postAll(cluster, runFile, progress),
      killLeaders(cluster, progress),
    ]);
    await cluster.waitUntilReady();
    const ids = new Set(accepted.values());
    const list = async (member: MemberProcess): Promise<Listed[]> =>
      (await (await member.fetch('/job/append')).json()) as Listed[];
    await waitFor('every job to finish', 120_000, async () => {
      const jobs = await list(cluster.members[0] as MemberProcess);
      return jobs.every((job) => job.Status === 'Succeeded' || job.Status === 'Failed');
    });

    const lists = await Promise.all(cluster.members.map(list));
    expect(lists[1], 'members agree').to.deep.equal(lists[0]);
    expect(lists[2], 'members agree').to.deep.equal(lists[0]);
    const jobs = lists[0] as Listed[];
    expect(
      [...ids].filter((id) => !jobs.some((job) => job.Id === id)),
      'accepted but lost',
    ).to.deep.equal([]);
    expect(jobs.filter((job) => job.Status !== 'Succeeded' || job.Attempts !== 1)).to.deep.equal([]);

    const lines = (await readFile(runFile, 'utf8')).trim().split('\n');
    const begun = lines.filter((line) => line.startsWith('begin ')).map((line) => line.split(' '));
    expect(new Set(begun.map(([, id]) => id)).size, 'begun twice').to.equal(begun.length);
    expect(new Set(begun.map(([, , token]) => token)).size, 'accepted twice').to.equal(begun.length);
    expect(begun.map(([, id]) => id)).to.have.members(jobs.map((job) => job.Id));
    for (const [token, id] of accepted) {
      expect(lines).to.include(`begin ${id} ${token}`);
      expect(lines).to.include(`end ${id} ${token}`);
    }
    let running = 0;
    let runningMax = 0;
    for (const line of lines) {
      running += line.startsWith('begin ') ? 1 : -1;
      runningMax = Math.max(runningMax, running);
    }
    expect(running).to.equal(0);
    expect(runningMax, 'runs at once').to.be.within(1, cap);
  });
});
