import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { internal, openTestApi, problemOf, type TestApi } from './test-api.ts';

describe('GET /job/<name>/<id>/logs', function () {
  this.timeout(10_000);

  let api: TestApi;
  before(async () => {
    api = await openTestApi();
  });
  after(() => api[Symbol.asyncDispose]());

  it("is the run's output as text", async () => {
    const id = await api.post('open');
    await api.runner.until(() => api.runner.runs.length === 1);
    const response = await fetch(`${api.url}/job/open/${id}/logs`);
    expect(response.status).to.equal(200);
    expect(response.headers.get('content-type')).to.equal('text/plain; charset=utf-8');
    expect(response.headers.get('x-content-type-options')).to.equal('nosniff');
    expect(await response.text()).to.equal(`output of ${api.runner.runs[0]?.runName}\n`);
  });

  it('answers 404 when there is none yet, and for an unknown job', async () => {
    const id = await api.post('open');
    await problemOf(await fetch(`${api.url}/job/open/${id}/logs`), 404, 'no_logs');
    await problemOf(await fetch(`${api.url}/job/open/unknown/logs`), 404, 'job_not_found');
  });

  it('hides those of a Private job from external callers', async () => {
    const id = await api.post('closed');
    await api.runner.until(() => api.runner.runs.some(({ jobId }) => jobId === id));
    await problemOf(await fetch(`${api.url}/job/closed/${id}/logs`), 404, 'job_not_found');
    expect((await fetch(`${api.url}/job/closed/${id}/logs`, { headers: internal })).status).to.equal(200);
  });
});
