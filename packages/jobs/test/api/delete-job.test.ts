import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { testDefinition } from '../queue/test-store.ts';
import { internal, openTestApi, problemOf, type TestApi } from './test-api.ts';

describe('DELETE /job/<name>/<id>', function () {
  this.timeout(10_000);

  let api: TestApi;
  before(async () => {
    const definitions = [testDefinition({ name: 'other', visibility: 'Public' })];
    api = await openTestApi({ definitions, deadlines: { deleteMs: 300 } });
  });
  after(() => api[Symbol.asyncDispose]());

  const remove = (path: string, headers = {}): Promise<Response> => {
    return fetch(`${api.url}${path}`, { method: 'DELETE', headers });
  };
  const isKnown = async (path: string): Promise<boolean> => (await fetch(`${api.url}${path}`)).ok;

  it('removes a running, then the queued and finally a finished job, 200 each', async () => {
    const running = await api.post('open');
    const queued = await api.post('open');
    await api.runner.until(() => api.runner.runs.some(({ jobId }) => jobId === running));
    expect(await (await remove(`/job/open/${queued}`)).json()).to.deep.equal({ Id: queued });
    expect(api.runner.runs).to.have.length(1);
    const runName = api.runner.runs[0]?.runName ?? '';
    expect((await remove(`/job/open/${running}`)).status).to.equal(200);
    expect(api.runner.cancels).to.deep.equal([runName]);
    expect(api.runner.runs).to.deep.equal([]);

    const finished = await api.post('open');
    await api.runner.until(() => api.runner.runs.some(({ jobId }) => jobId === finished));
    api.runner.finish(api.runner.runs[0]?.runName ?? '', 1);
    await api.store.events.waitFor('job_finished');
    expect((await remove(`/job/open/${finished}`)).status).to.equal(200);
    expect(api.runner.runs).to.deep.equal([]);
    for (const id of [running, queued, finished])
      expect(await isKnown(`/job/open/${id}`), id).to.equal(false);
  });

  it('answers 404 for what is unknown or of another name, and leaves that alone', async () => {
    const id = await api.post('open');
    await problemOf(await remove(`/job/other/${id}`), 404, 'job_not_found');
    await problemOf(await remove('/job/open/unknown'), 404, 'job_not_found');
    expect(await isKnown(`/job/open/${id}`)).to.equal(true);
    expect((await remove(`/job/open/${id}`)).status).to.equal(200);
    await problemOf(await remove(`/job/open/${id}`), 404, 'job_not_found');
  });

  it('answers racing deletions of one job with 200 or, once it is gone, 404', async () => {
    const id = await api.post('open');
    const responses = await Promise.all(Array.from({ length: 8 }, () => remove(`/job/open/${id}`)));
    const statuses = responses.map(({ status }) => status);
    expect(statuses).to.include(200);
    expect(statuses.filter((status) => status !== 200 && status !== 404)).to.deep.equal([]);
  });

  it('neither shows nor touches a Private job for external callers', async () => {
    const id = await api.post('closed');
    await problemOf(await remove(`/job/closed/${id}`), 404, 'job_not_found');
    const found = await fetch(`${api.url}/job/closed/${id}`, { headers: internal });
    expect(found.status).to.equal(200);
    expect((await remove(`/job/closed/${id}`, internal)).status).to.equal(200);
  });

  it('answers 503 deletion_pending when the run takes longer to end, and ends it all the same', async () => {
    const { runner } = api;
    let release = (): void => {};
    runner.beforeStart = () => new Promise((resolve) => (release = () => resolve(null)));
    const { length } = runner.starts;
    const id = await api.post('open');
    await runner.until(() => runner.starts.length === length + 1);
    const response = await remove(`/job/open/${id}`);
    expect(Number(response.headers.get('retry-after'))).to.be.greaterThan(0);
    await problemOf(response, 503, 'deletion_pending');
    runner.beforeStart = async () => null;
    release();
    expect([200, 404]).to.include((await remove(`/job/open/${id}`)).status);
    expect(await isKnown(`/job/open/${id}`)).to.equal(false);
  });
});
