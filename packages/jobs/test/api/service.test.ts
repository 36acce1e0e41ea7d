import { expect } from 'chai';
import { describe, it } from 'mocha';
import { openTestCluster, type TestCluster } from './test-cluster.ts';

interface Row {
  readonly Id: string;
  readonly Status: string;
  readonly ExitCode?: number;
}

async function post(url: string, path: string, body = '{}'): Promise<string> {
  const response = await fetch(`${url}${path}`, { method: 'POST', body });
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
  return ((await response.json()) as Row).Id;
}

async function read(url: string, path: string): Promise<Row> {
  return (await (await fetch(`${url}${path}`)).json()) as Row;
}

/** Reads until the job has the status. */
async function until(url: string, path: string, status: string): Promise<Row> {
  for (;;) {
    const row = await read(url, path);
    if (row.Status === status) return row;
  }
}

function followerOf(cluster: TestCluster, leader: number): { url: string } {
  const follower = cluster.members.find((_, index) => index !== leader);
  if (follower === undefined) throw new Error('no follower');
  return follower;
}

describe('openService, one member', function () {
  this.timeout(20_000);

  it('runs a real process from the request to its outcome and output', async () => {
    await using cluster = await openTestCluster(1);
    const [{ url } = { url: '' }] = cluster.members;
    const id = await post(url, '/job/echo', '{"Args":["42","43"]}');
    const row = await until(url, `/job/echo/${id}`, 'Succeeded');
    expect(row).to.include({ ExitCode: 0, Attempts: 1 });
    expect(await (await fetch(`${url}/job/echo/${id}/logs`)).text()).to.equal('args: 42 43\n');
  });

  it('refuses at once what the orchestrator could never run', async () => {
    await using cluster = await openTestCluster(1);
    const [{ url } = { url: '' }] = cluster.members;
    const response = await fetch(`${url}/job/bare`, { method: 'POST' });
    expect(response.status).to.equal(422);
    expect(await response.json()).to.include({ code: 'command_missing' });
  });

  it('ends a running process when its job is deleted', async () => {
    await using cluster = await openTestCluster(1);
    const [{ url } = { url: '' }] = cluster.members;
    const id = await post(url, '/job/nap');
    await until(url, `/job/nap/${id}`, 'Running');
    expect((await fetch(`${url}/job/nap/${id}`, { method: 'DELETE' })).status).to.equal(200);
    expect((await fetch(`${url}/job/nap/${id}`)).status).to.equal(404);
  });

  it('closes once, however often it is asked', async () => {
    await using cluster = await openTestCluster(1);
    const service = cluster.members[0]?.service;
    const closings = [service?.close(), service?.close()];
    expect(closings[0]).to.equal(closings[1]);
    await Promise.all(closings);
  });
});

describe('openService, three members', function () {
  this.timeout(30_000);

  it('answers everything on a follower as on the leader', async () => {
    await using cluster = await openTestCluster(3);
    const leader = await cluster.leader();
    const { url } = followerOf(cluster, leader);
    const id = await post(url, '/job/echo', '{"Args":["x"]}');
    for (const member of cluster.members) expect((await read(member.url, `/job/echo/${id}`)).Id).to.equal(id);
    await until(url, `/job/echo/${id}`, 'Succeeded');
    expect((await fetch(`${url}/job/echo/${id}`, { method: 'DELETE' })).status).to.equal(200);
    for (const member of cluster.members) {
      expect((await fetch(`${member.url}/job/echo/${id}`)).status).to.equal(404);
    }
  });

  it('goes on with queued and running jobs under a new leader, starting none twice', async () => {
    await using cluster = await openTestCluster(3);
    const leader = await cluster.leader();
    const { url } = followerOf(cluster, leader);
    const ids = await Promise.all(Array.from({ length: 3 }, () => post(url, '/job/brief')));
    await Promise.race(ids.map((id) => until(url, `/job/brief/${id}`, 'Running')));
    await cluster.members[leader]?.service.close();
    for (const id of ids) {
      const row = await until(url, `/job/brief/${id}`, 'Succeeded');
      expect(row).to.include({ Attempts: 1 });
    }
    const started = cluster.members.flatMap(({ events }) =>
      events.of('job_started').map(({ jobId }) => jobId),
    );
    expect([...new Set(started)].sort()).to.deep.equal([...ids].sort());
  });
});
