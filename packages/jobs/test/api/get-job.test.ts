import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { internal, openTestApi, problemOf, type TestApi } from './test-api.ts';

describe('GET /job/<name>/<id>', function () {
  this.timeout(10_000);

  let api: TestApi;
  before(async () => {
    api = await openTestApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const get = (path: string, headers = {}): Promise<Response> => fetch(`${api.url}${path}`, { headers });

  it('shows the job with what it runs, environment values masked', async () => {
    const secret = 'hunter2-very-secret';
    const id = await api.post('open', { Args: ['7'], Environments: [{ name: 'PASSWORD', value: secret }] });
    const text = await (await get(`/job/open/${id}`)).text();
    expect(text).to.not.include(secret);
    const job = JSON.parse(text);
    expect(job).to.include({ Id: id });
    expect(job.Spec).to.deep.equal({
      Image: 'registry.test/job:1',
      Command: ['/bin/true'],
      Args: ['7'],
      Environments: [
        { Name: 'PLAIN', Value: '***' },
        { Name: 'PASSWORD', Value: '***' },
      ],
      Resources: { Requests: { cpu: '100m' }, Limits: { cpu: '100m' } },
      DependsOn: [],
      BackoffLimit: 1,
      TtlSecondsAfterFinished: 60,
      RestartPolicy: 'Never',
    });
  });

  it('answers 404 for an id that is unknown, of another name, or none at all', async () => {
    const id = await api.post('open');
    await problemOf(await get('/job/open/00000000-0000-4000-8000-000000000000'), 404, 'job_not_found');
    await problemOf(await get(`/job/tiny/${id}`), 404, 'job_not_found');
    for (const odd of ['..%2f..', '%20', '-', 'a'.repeat(200)]) {
      await problemOf(await get(`/job/open/${odd}`), 404, 'job_not_found');
    }
  });

  it('says the same of a Private job to external callers as of one that is not there', async () => {
    const id = await api.post('closed');
    const hidden = await problemOf(await get(`/job/closed/${id}`), 404, 'job_not_found');
    const absent = await problemOf(await get('/job/closed/absent'), 404, 'job_not_found');
    expect(hidden.detail.replace(id, 'absent')).to.equal(absent.detail);
    expect((await get(`/job/closed/${id}`, internal)).status).to.equal(200);
  });
});
