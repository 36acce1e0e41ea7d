import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { Cluster, isProcessAlive, type MemberProcess, waitFor } from './cluster.ts';

/** The configuration that existing users have in their ConfigMap, comments and trailing comma included. */
const configMapText = readFileSync('packages/jobs/test/model/config-map.txt', 'utf8');

/** Waits for the file named by its first argument, leaving its process id beside it, then computes. */
const program =
  'echo $$ > "$1.pid"; while [ ! -e "$1" ]; do sleep 0.05; done; exec node examples/fibonacci/fibonacci.mjs 42';

const configuration = configMapText.replace(
  '"fibonacci": {',
  (start) => `${start} "Command": ${JSON.stringify(['sh', '-c', program, 'fibonacci'])},`,
);

interface Listed {
  readonly Id: string;
  readonly Name: string;
  readonly Status: string;
  readonly PositionInQueue: number;
  readonly InQueueTimestamp: number;
  readonly StartTimestamp: number;
}

describe('the configuration of existing users, with a Command', () => {
  it('walks a job from Queued over Running to Succeeded, and DELETE stops a running one', async function () {
    this.timeout(60_000);
    await using cluster = await Cluster.start({ configuration });
    const [first, second, third] = cluster.members as [MemberProcess, MemberProcess, MemberProcess];
    const gate = (n: number): string => path.join(cluster.directory, `gate-${n}`);
    const post = async (n: number): Promise<string> => {
      const body = JSON.stringify({ Args: [gate(n)] });
      const response = await first.fetch('/job/fibonacci', { method: 'POST', body });
      expect(response.status).to.equal(202);
      const answer = (await response.json()) as { Id: string };
      expect(response.headers.get('location')).to.equal(`/job/fibonacci/${answer.Id}`);
      return answer.Id;
    };
    const jobOf = async (id: string): Promise<Listed | undefined> => {
      const jobs = (await (await second.fetch('/job/fibonacci')).json()) as Listed[];
      return jobs.find((job) => job.Id === id);
    };
    const hasStatus = (id: string, status: string): Promise<Listed> =>
      waitFor(`${id} to be ${status}`, 20_000, async () => {
        const job = await jobOf(id);
        return job?.Status === status ? job : null;
      });

    const ids = [await post(0), await post(1), await post(2)] as [string, string, string];
    await hasStatus(ids[0], 'Running');
    const running = await hasStatus(ids[1], 'Running');
    expect(running).to.include({ PositionInQueue: -1 });
    expect(running.Name).to.match(/^fibonacci-slimfaas-job-[0-9a-z]{8}$/);
    expect(running.StartTimestamp).to.be.at.least(running.InQueueTimestamp);
    expect(await jobOf(ids[2])).to.include({ Status: 'Queued', PositionInQueue: 1, StartTimestamp: -1 });

    const pid = Number(await readFile(`${gate(0)}.pid`, 'utf8'));
    const deleted = await third.fetch(`/job/fibonacci/${ids[0]}`, { method: 'DELETE' });
    expect(deleted.status).to.equal(200);
    expect(await jobOf(ids[0])).to.equal(undefined);
    await waitFor('the deleted run to end', 5_000, async () => !isProcessAlive(pid));

    await hasStatus(ids[2], 'Running');
    await Promise.all([1, 2].map((n) => writeFile(gate(n), '')));
    for (const id of ids.slice(1)) {
      expect(await hasStatus(id, 'Succeeded')).to.include({ PositionInQueue: -1, ExitCode: 0, Attempts: 1 });
    }
    const again = await third.fetch(`/job/fibonacci/${ids[0]}`, { method: 'DELETE' });
    expect(again.status).to.equal(404);
  });
});
