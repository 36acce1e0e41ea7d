import { once } from 'node:events';
import { connect } from 'node:net';
import { type Store, StoreError } from '@slimfaas/slimdata';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { openApi } from '../../src/api/api.ts';
import { ServiceError } from '../../src/errors.ts';
import { openTestStore } from '../queue/test-store.ts';
import { openLeaderlessStore } from './leaderless-store.ts';
import { openTestApi, problemOf, type TestApi } from './test-api.ts';

describe('REST', function () {
  this.timeout(10_000);

  let api: TestApi;
  before(async () => {
    api = await openTestApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const call = (method: string, path: string, headers = {}): Promise<Response> => {
    return fetch(`${api.url}${path}`, { method, headers });
  };

  it('answers 404 as a problem where nothing is', async () => {
    for (const path of ['/', '/jobs', '/job', '/job-schedules/open', '/JOB/open', '/favicon.ico']) {
      await problemOf(await call('GET', path), 404, 'unknown_route');
    }
  });

  it('answers 405 with Allow to methods that a path has not', async () => {
    const cases = [
      ['PUT', '/job/open', 'GET, HEAD, POST'],
      ['PATCH', '/job/open', 'GET, HEAD, POST'],
      ['DELETE', '/job/open', 'GET, HEAD, POST'],
      ['PUT', '/job/open/some-id', 'DELETE, GET, HEAD, POST'],
      ['GET', '/job/open/some-id/else', 'POST'],
      ['POST', '/health', 'GET, HEAD'],
      ['DELETE', '/metrics', 'GET, HEAD'],
    ] as const;
    for (const [method, path, allow] of cases) {
      const response = await call(method, path);
      expect(response.headers.get('allow'), `${method} ${path}`).to.equal(allow);
      await problemOf(response, 405, 'method_not_allowed');
    }
  });

  it("echoes a sane X-Request-Id and replaces any other, and tells it with the answer's route", async () => {
    const response = await call('GET', '/job/open', { 'x-request-id': 'abc-1.2/3' });
    expect(response.headers.get('x-request-id')).to.equal('abc-1.2/3');
    expect(api.answers.at(-1)).to.include({
      requestId: 'abc-1.2/3',
      route: '/job/:name',
      status: 200,
      method: 'GET',
    });
    for (const id of ['a b', '"', 'x'.repeat(129)]) {
      const other = await call('GET', '/nowhere', { 'x-request-id': id });
      expect(other.headers.get('x-request-id')).to.match(/^[-0-9a-f]{36}$/);
    }
    expect((await call('GET', '/health')).headers.get('x-request-id')).to.match(/^[-0-9a-f]{36}$/);
  });

  it('answers what is not HTTP, or has too long a header, as a problem too', async () => {
    for (const text of [
      'HELO there\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    ]) {
      const socket = connect(api.port, '127.0.0.1');
      socket.end(text);
      let answer = '';
      for await (const chunk of socket) answer += chunk;
      expect(answer)
        .to.match(/^HTTP\/1\.1 400 Bad Request\r\n/)
        .and.include('application/problem+json');
      expect(JSON.parse(answer.slice(answer.indexOf('{')))).to.include({
        code: 'malformed_request',
        status: 400,
      });
    }
  });

  it('answers 500 without internals, and tells them inside', async () => {
    const secret = 'table users has no column password';
    const broken: TestApi['runner']['logs'] = () => Promise.reject(new TypeError(secret));
    const id = await api.post('open');
    const { logs } = api.runner;
    api.runner.logs = broken;
    const response = await call('GET', `/job/open/${id}/logs`);
    api.runner.logs = logs;
    const problem = await problemOf(response, 500, 'internal');
    expect(JSON.stringify(problem)).to.not.include('users').and.not.include('TypeError');
    expect(api.internalErrors.map(String)).to.deep.equal([`TypeError: ${secret}`]);
  });

  it('refuses to open on a port that is taken, saying which', async () => {
    const options = { host: '127.0.0.1', port: api.port, onInternalError() {}, onAnswer() {} };
    const parts = { definitionOf() {}, internalToken: null, registry: api.registry } as never;
    const error = await openApi(parts, options).catch((cause: unknown) => cause);
    expect(error).to.be.instanceOf(ServiceError);
    expect(error).to.include({ code: 'port_unavailable' });
    expect(String(error)).to.include(String(api.port));
  });
});

describe('REST without a leader', function () {
  this.timeout(10_000);

  it('answers 503 unavailable with Retry-After within its deadline', async () => {
    await using leaderless = await openLeaderlessStore();
    const deadlines = { readMs: 200, writeMs: 200, deleteMs: 200 };
    await using api = await openTestApi({ store: leaderless.member, deadlines });
    for (const [method, path] of [
      ['GET', '/job/open'],
      ['GET', '/job/open/some-id'],
      ['DELETE', '/job/open/some-id'],
      ['POST', '/job/open'],
    ] as const) {
      const begun = performance.now();
      const response = await fetch(`${api.url}${path}`, { method });
      expect(performance.now() - begun, `${method} ${path}`).to.be.lessThan(1500);
      expect(Number(response.headers.get('retry-after'))).to.be.greaterThan(0);
      await problemOf(response, 503, 'unavailable');
    }
  });

  it('gives the id of a job that may or may not be accepted', async () => {
    await using store = await openTestStore();
    const unsure: Store = Object.create(store.member, {
      transact: { value: () => Promise.reject(new StoreError('timeout', 'no confirmation')) },
    });
    await using api = await openTestApi({ store: unsure });
    const response = await fetch(`${api.url}/job/open`, { method: 'POST' });
    expect(await problemOf(response, 503, 'outcome_unknown')).to.have.property('Id');
  });
});

describe('REST that stops', function () {
  this.timeout(10_000);

  it('answers the request under way, closes its connection, and takes no more', async () => {
    await using api = await openTestApi();
    const { url, port } = api;
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('POST /job/open HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n');
    while (api.answers.length === 0 && (await fetch(`${url}/health`)).status !== 200);
    const closing = api.close(5000);
    socket.write('{}');
    let answer = '';
    for await (const chunk of socket) answer += chunk;
    expect(answer)
      .to.match(/^HTTP\/1\.1 202 /)
      .and.match(/\r\nConnection: close\r\n/i);
    await closing;
    expect(await fetch(`${url}/health`).catch(() => 'refused')).to.equal('refused');
  });

  it('cuts what does not end by its deadline', async () => {
    await using api = await openTestApi();
    const socket = connect(api.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('POST /job/open HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n');
    await fetch(`${api.url}/health`);
    socket.on('error', () => {});
    const cut = once(socket, 'close');
    await api.close(50);
    await cut;
  });
});
