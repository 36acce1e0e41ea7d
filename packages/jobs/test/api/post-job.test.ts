import { request } from 'node:http';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { testDefinition } from '../queue/test-store.ts';
import { internal, openTestApi, problemOf, type TestApi } from './test-api.ts';

describe('POST /job/<name>', function () {
  this.timeout(10_000);

  let api: TestApi;
  before(async () => {
    const wide = { visibility: 'Public', numberParallelJob: 50 } as const;
    const definitions = [
      testDefinition({ ...wide, name: 'wide', imagesWhitelist: ['registry.test/job:*'] }),
      testDefinition({ ...wide, name: 'empty', command: null }),
    ];
    api = await openTestApi({ definitions });
  });
  after(() => api[Symbol.asyncDispose]());

  const post = (path: string, init: RequestInit = {}): Promise<Response> => {
    return fetch(`${api.url}${path}`, { method: 'POST', ...init });
  };

  it('answers 202 with exactly the id, and where to find the job', async () => {
    const response = await post('/job/wide', { body: '{"Args":["42","43"]}' });
    expect(response.status).to.equal(202);
    const text = await response.text();
    expect(text).to.match(/^\{"Id":"[-0-9a-f]{36}"\}$/);
    const { Id } = JSON.parse(text);
    expect(response.headers.get('location')).to.equal(`/job/wide/${Id}`);
    const found = (await (await fetch(`${api.url}/job/wide/${Id}`)).json()) as { Spec: object };
    expect(found.Spec).to.deep.include({ Args: ['42', '43'], Image: 'registry.test/job:1' });
  });

  it('reads JSON whatever the content type says, and no body as {}', async () => {
    const types = [
      'application/x-www-form-urlencoded',
      'text/plain',
      'application/json; charset=utf-8',
      'x/y',
    ];
    for (const type of types) {
      const response = await post('/job/wide', { body: '{"Args":["1"]}', headers: { 'content-type': type } });
      expect(response.status, type).to.equal(202);
    }
    expect((await post('/job/wide')).status).to.equal(202);
  });

  it("reads the description's own body, with its comments", async () => {
    const body = `{
      "Image": "registry.test/job:1.0.1", # Must match ImagesWhitelist
      "Args": ["42", "43"],
      "DependsOn": [], # Overrides default
      "Resources": { # Cannot exceed configured limits
        "Requests": { "cpu": "100m" },
        "Limits": { "cpu": "100m" }
      },
      "Environments": [], # Override and merge with default Environments configured
      "BackoffLimit": 1,
      "TtlSecondsAfterFinished": 100,
      "RestartPolicy": "Never"
    }`;
    expect((await post('/job/wide', { body })).status).to.equal(202);
  });

  it('ignores what follows the name', async () => {
    const response = await post('/job/wide/some/path');
    expect(response.status).to.equal(202);
    expect(response.headers.get('location')).to.match(/^\/job\/wide\/[-0-9a-f]{36}$/);
  });

  it('lower-cases the name', async () => {
    const response = await post('/job/WiDe');
    expect(response.headers.get('location')).to.match(/^\/job\/wide\//);
  });

  it('names every fault of a malformed body in one answer', async () => {
    const body = '{"Args": "42", "Imagee": "x", "BackoffLimit": -1}';
    const { faults } = await problemOf(await post('/job/wide', { body }), 400, 'invalid_value');
    expect(faults?.map(({ path }) => path).sort()).to.deep.equal(['Args', 'BackoffLimit', 'Imagee']);
  });

  it('answers 400 to what is not JSON, and to a bad name', async () => {
    await problemOf(await post('/job/wide', { body: '{"Args": [' }), 400, 'malformed_json');
    await problemOf(await post('/job/wide', { body: new Uint8Array([0xff, 0xfe]) }), 400, 'malformed_json');
    for (const name of ['ab', 'a'.repeat(31), 'with.dot', 'ünïcode', '%00%00%00']) {
      await problemOf(await post(`/job/${name}`), 400, 'invalid_name');
    }
  });

  it('answers 422 with each refusal of the definition', async () => {
    const body = JSON.stringify({ Image: 'evil.test/x', Resources: { Limits: { cpu: '2' } } });
    const { faults } = await problemOf(await post('/job/wide', { body }), 422, 'image_not_allowed');
    expect(faults?.map(({ code }) => code)).to.include.members([
      'image_not_allowed',
      'resources_exceed_limits',
    ]);
    await problemOf(await post('/job/empty'), 422, 'command_missing');
    await problemOf(await post('/job/unconfigured', { headers: internal }), 422, 'unknown_job');
  });

  it('answers 403 for a Private job from outside, before it reads the body', async () => {
    const { code } = await problemOf(
      await post('/job/closed', { body: 'not json' }),
      403,
      'visibility_private',
    );
    expect(code).to.equal('visibility_private');
    await problemOf(await post('/job/unconfigured'), 403, 'visibility_private');
    expect(api.store.member.view.size('Queue:closed')).to.equal(0);
  });

  it('believes the token, and nothing that only looks like it', async () => {
    expect((await post('/job/closed', { headers: internal })).status).to.equal(202);
    const wrong = [
      'Bearer',
      'Bearer ',
      'Bearer a-token-of-test',
      'Bearer a-token-of-testss',
      'Basic a-token-of-tests',
    ];
    for (const authorization of wrong) {
      await problemOf(await post('/job/closed', { headers: { authorization } }), 403, 'visibility_private');
    }
    const forwarded = { 'x-forwarded-for': '127.0.0.1', forwarded: 'for=127.0.0.1' };
    await problemOf(await post('/job/closed', { headers: forwarded }), 403, 'visibility_private');
  });

  it('answers 429 with Retry-After when the queue is full, and accepts again after that', async () => {
    api.runner.beforeStart = async () => ({ started: false, permanent: false, reason: 'Busy.' });
    const first = await post('/job/tiny');
    await api.store.events.waitFor('job_start_refused');
    for (let queued = 0; queued < 2; queued += 1) expect((await post('/job/tiny')).status).to.equal(202);
    const response = await post('/job/tiny');
    expect(Number(response.headers.get('retry-after'))).to.be.greaterThan(0);
    await problemOf(response, 429, 'queue_full');
    const { Id } = (await first.json()) as { Id: string };
    expect((await fetch(`${api.url}/job/tiny/${Id}`, { method: 'DELETE' })).status).to.equal(200);
    api.runner.beforeStart = async () => null;
    await api.store.events.waitFor('job_claimed', api.store.events.of('job_claimed').length);
    await api.runner.until(() => api.runner.runs.some(({ jobName }) => jobName === 'tiny'));
    expect((await post('/job/tiny')).status).to.equal(202);
  });

  it('answers a repeat with the same Idempotency-Key with the first job, whoever serves it', async () => {
    const headers = { 'idempotency-key': 'order-7' };
    const bodies: unknown[] = [];
    for (let repeats = 0; repeats < 3; repeats += 1)
      bodies.push(await (await post('/job/wide', { headers })).json());
    expect(new Set(bodies.map((body) => JSON.stringify(body))).size).to.equal(1);
    const other = await (await post('/job/wide', { headers: { 'idempotency-key': 'order-8' } })).json();
    expect(other).to.not.deep.equal(bodies[0]);
    const long = { 'idempotency-key': 'x'.repeat(256) };
    await problemOf(await post('/job/wide', { headers: long }), 400, 'invalid_value');
  });

  it('takes a body of exactly 1 MiB and answers 413 to one more byte', async () => {
    const padded = (bytes: number): string => `{}${' '.repeat(bytes - 2)}`;
    expect((await post('/job/wide', { body: padded(1024 * 1024) })).status).to.equal(202);
    await problemOf(await post('/job/wide', { body: padded(1024 * 1024 + 1) }), 413, 'too_large');
  });

  it('answers 413 to a stream without a length, and ends the connection of an endless one', async () => {
    const response = await stream(api, 2 * 1024 * 1024);
    expect(response.status).to.equal(413);
    const endless = await stream(api, Number.POSITIVE_INFINITY);
    expect(endless.status).to.equal(413);
    expect(endless.connection).to.equal('close');
  });

  it('answers 415 to a compressed body', async () => {
    const headers = { 'content-encoding': 'gzip' };
    await problemOf(await post('/job/wide', { body: 'x', headers }), 415, 'unsupported_encoding');
  });
});

/** Sends a chunked body of this length until there is an answer. */
function stream(
  { port }: TestApi,
  bytes: number,
): Promise<{ status: number; connection: string | undefined }> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let answered = false;
    const outgoing = request({ host: '127.0.0.1', port, path: '/job/wide', method: 'POST' }, (response) => {
      answered = true;
      resolve({ status: response.statusCode ?? 0, connection: response.headers.connection });
      outgoing.destroy();
    });
    outgoing.on('error', (error) => (answered ? undefined : reject(error)));
    const chunk = Buffer.alloc(64 * 1024, ' ');
    const write = (): void => {
      if (answered) return;
      if (sent >= bytes) return void outgoing.end();
      sent += chunk.length;
      outgoing.write(chunk, write);
    };
    write();
  });
}
