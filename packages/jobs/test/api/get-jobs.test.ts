import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { testJob, wide } from '../queue/test-store.ts';
import { internal, openTestApi, problemOf, type TestApi } from './test-api.ts';

interface Row {
  readonly Id: string;
  readonly Name: string;
  readonly Status: string;
  readonly PositionInQueue: number;
}

describe('GET /job/<name>', function () {
  this.timeout(10_000);

  let api: TestApi;
  const ids: string[] = [];
  before(async () => {
    api = await openTestApi();
    for (let jobs = 0; jobs < 4; jobs += 1) ids.push(await api.post('open'));
    await api.runner.until(() => api.runner.runs.length === 1);
    api.runner.finish(api.runner.runs[0]?.runName ?? '', 0);
    await api.runner.until(() => api.runner.runs.length === 2);
    await untilRunning();
    await api.post('closed');
  });
  after(() => api[Symbol.asyncDispose]());

  /** Until the second job's record says that it runs. */
  async function untilRunning(): Promise<void> {
    await new Promise<void>((resolve) => {
      const { member, records } = api.store;
      const look = (): void => {
        if (records.run('open', ids[1] ?? '')?.record.status === 'Running') resolve();
      };
      member.onChange(look);
      look();
    });
  }

  const get = async (query = '', headers = {}): Promise<Response> => {
    return fetch(`${api.url}/job/open${query}`, { headers });
  };

  it("has the description's keys, in its order, for queued and running jobs", async () => {
    const rows = (await (await get()).json()) as Row[];
    const keys = ['Id', 'Name', 'Status', 'PositionInQueue', 'InQueueTimestamp', 'StartTimestamp'];
    const [finished, running, queued] = rows;
    expect(Object.keys(queued ?? {})).to.deep.equal(keys);
    expect(Object.keys(running ?? {})).to.deep.equal([...keys, 'Attempts']);
    expect(Object.keys(finished ?? {})).to.deep.equal([...keys, 'FinishTimestamp', 'ExitCode', 'Attempts']);
    expect(queued).to.include({ Id: ids[2], Status: 'Queued', PositionInQueue: 1, StartTimestamp: -1 });
    expect(running).to.include({ Id: ids[1], Status: 'Running', PositionInQueue: -1, StartTimestamp: 5 });
    expect(finished).to.include({ Id: ids[0], Status: 'Succeeded', PositionInQueue: -1, ExitCode: 0 });
    for (const { Name } of rows) expect(Name).to.match(/^open-slimfaas-job-[0-9a-z]{8}$/);
  });

  it('lists only this name, oldest first, with positions from 1', async () => {
    const rows = (await (await get()).json()) as Row[];
    expect(rows.map(({ Id }) => Id)).to.deep.equal(ids);
    expect(rows.map(({ PositionInQueue }) => PositionInQueue)).to.deep.equal([-1, -1, 1, 2]);
  });

  it('is an empty list for a name without jobs', async () => {
    expect(await (await fetch(`${api.url}/job/tiny`)).json()).to.deep.equal([]);
  });

  it('filters by status, in any case', async () => {
    const rows = (await (await get('?status=queued')).json()) as Row[];
    expect(rows.map(({ Id }) => Id)).to.deep.equal(ids.slice(2));
  });

  it('goes on page by page through Link', async () => {
    const seen: string[] = [];
    let next: string | undefined = '/job/open?limit=3';
    while (next !== undefined) {
      const response: Response = await fetch(`${api.url}${next}`);
      seen.push(...((await response.json()) as Row[]).map(({ Id }) => Id));
      next = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
    }
    expect(seen).to.deep.equal(ids);
  });

  it('lists more jobs than are read in one turn, each once and in order', async () => {
    await using other = await openTestApi();
    other.runner.beforeStart = () => new Promise(() => {});
    const { queue, member } = other.store;
    const jobs = Array.from({ length: 600 }, (_, index) => testJob(`job-${index}`, { name: 'open' }));
    await Promise.all(jobs.map((job) => queue.enqueue(job, wide)));
    await other.runner.until(() => other.runner.starts.length === 1);
    const running = [...member.view.entries('Run:open')].map(([id]) => id);
    const queued = [...member.view.entries('Queue:open')].map(([id]) => id);
    const rows = (await (await fetch(`${other.url}/job/open`)).json()) as Row[];
    expect(rows.map(({ Id }) => Id)).to.deep.equal([...running, ...queued]);
    expect(rows.at(-1)?.PositionInQueue).to.equal(599);
  });

  it('refuses query values that it cannot take', async () => {
    for (const query of [
      '?status=Sleeping',
      '?limit=0',
      '?limit=x',
      '?limit=1&limit=2',
      '?continue=-1',
      '?stat=1',
    ]) {
      await problemOf(await get(query), 400, 'invalid_query');
    }
  });

  it('does not show a Private job to external callers', async () => {
    await problemOf(await fetch(`${api.url}/job/closed`), 404, 'job_not_found');
    await problemOf(await fetch(`${api.url}/job/nobody-knows`), 404, 'job_not_found');
    const rows = (await (await fetch(`${api.url}/job/closed`, { headers: internal })).json()) as Row[];
    expect(rows).to.have.length(1);
  });

  it('answers HEAD without a body', async () => {
    const response = await fetch(`${api.url}/job/open`, { method: 'HEAD' });
    expect(response.status).to.equal(200);
    expect(await response.text()).to.equal('');
  });
});
