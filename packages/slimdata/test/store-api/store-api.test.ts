import { request as sendRequest } from 'node:http';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { StoreError, type StoreErrorCode } from '../../src/errors.ts';
import type { RequestOptions } from '../../src/store.ts';
import { consistencies, failureOf, type OpenApi, openApi } from './open-api.ts';
import { TestService } from './test-service.ts';

const set = { write: 'set', hashset: 'h', field: 'f', value: Buffer.from([0, 255, 10]) } as const;

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A request by hand, to an API that asks for no signature. */
async function ask(
  { url }: OpenApi,
  path: string,
  method = 'GET',
  body = '',
  headers: Readonly<Record<string, string>> = { 'content-type': 'application/json' },
): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const sent = sendRequest(new URL(path, url), { method, headers, agent: false }, (response) => {
      response
        .setEncoding('utf8')
        .toArray()
        .then((chunks) => {
          const { statusCode: status = 0 } = response;
          resolve({ status, headers: response.headers, body: JSON.parse(chunks.join('')) });
        })
        .catch(reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const unsigned = { clusterSecret: null };

describe('StoreApi', function () {
  this.timeout(10_000);

  describe('transact', () => {
    it('carries a transaction of every kind of check and write, and its result', async () => {
      await using open = await openApi();
      const transaction = {
        checks: [
          { check: 'absent', hashset: 'h', field: 'f' },
          { check: 'version', hashset: 'h', field: 'f', version: 7 },
          { check: 'smaller', hashset: 'h', count: 3 },
          { check: 'term', term: 2 },
          { check: 'empty', hashset: 'ü\u0000"' },
        ],
        writes: [
          set,
          { write: 'delete', hashset: 'h', field: 'f' },
          { write: 'deleteHashset', hashset: 'h' },
        ],
      } as const;
      expect(await open.client().transact(transaction)).to.deep.equal({ applied: true, index: 1 });
      expect(open.service.transactions).to.deep.equal([transaction]);
      open.service.onTransact = async () => ({ applied: false, index: 9, failedCheck: 4 });
      expect(await open.client().transact(transaction)).to.deep.equal({
        applied: false,
        index: 9,
        failedCheck: 4,
      });
    });

    const failures: readonly (readonly [StoreErrorCode, string, number, string | undefined])[] = [
      ['unavailable', 'unavailable', 503, '1'],
      ['timeout', 'timeout', 504, undefined],
      ['overloaded', 'overloaded', 429, '1'],
      ['too_large', 'too_large', 413, undefined],
      ['closed', 'closed', 503, '1'],
    ];
    for (const [thrown, code, status, retryAfter] of failures) {
      it(`answers ${status} ${code} when the store says ${thrown}`, async () => {
        await using open = await openApi(unsigned);
        open.service.onTransact = async () => {
          throw new StoreError(thrown, 'What the store says.');
        };
        const answer = await ask(open, '/slimdata/v1/transact', 'POST', '{"writes":[]}');
        expect(answer.body).to.include({ status, code, detail: 'What the store says.' });
        expect(answer.status).to.equal(status);
        expect(answer.headers['content-type']).to.equal('application/problem+json');
        expect(answer.headers['retry-after']).to.equal(retryAfter);
      });
    }

    it('answers within the deadline although the store does not, and tells the store', async () => {
      await using open = await openApi();
      const given: RequestOptions[] = [];
      open.service.onTransact = (options) => {
        given.push(options);
        return new Promise(() => undefined);
      };
      const error = await failureOf(open.client().transact({ checks: [], writes: [] }, { deadlineMs: 50 }));
      expect(error.code).to.equal('timeout');
      expect(error.message).to.match(/within 50 ms/);
      expect(given[0]?.deadlineMs).to.equal(45);
      expect(given[0]?.signal?.aborted).to.equal(true);
    });

    it('tells the store when the client is gone', async () => {
      await using open = await openApi();
      const given: RequestOptions[] = [];
      const caller = new AbortController();
      const gone = new Promise<void>((resolve) => {
        open.service.onTransact = (options) => {
          given.push(options);
          options.signal?.addEventListener('abort', () => resolve());
          caller.abort();
          return new Promise(() => undefined);
        };
      });
      const sent = open.client().transact({ checks: [], writes: [] }, { signal: caller.signal });
      expect(await failureOf(sent)).to.include({ code: 'aborted' });
      await gone;
    });

    it('answers 500 without details when the store breaks, and logs them', async () => {
      await using open = await openApi();
      open.service.onTransact = async () => {
        throw new TypeError('secret details');
      };
      const error = await failureOf(open.client().transact({ checks: [], writes: [] }));
      expect(error.code).to.equal('internal');
      expect(error.message).not.to.match(/secret/);
      const line = await open.log.find(({ event }) => event === 'store_request_failed');
      expect(JSON.stringify(line.facts)).to.match(/secret details/);
    });
  });

  describe('read', () => {
    async function withFields(): Promise<OpenApi> {
      const open = await openApi();
      open.service.set('h', { one: '1', two: '22' });
      open.service.set('h', { three: '333' });
      return open;
    }

    it('answers named fields that exist, in the order asked for', async () => {
      await using open = await withFields();
      const page = await open.client().read('h', { fields: ['three', 'none', 'one'] });
      expect([...page.fields]).to.deep.equal([
        ['three', { value: Buffer.from('333'), createdIndex: 2, version: 2 }],
        ['one', { value: Buffer.from('1'), createdIndex: 1, version: 1 }],
      ]);
      expect(page).to.include({ appliedIndex: 2, size: 3, next: null });
    });

    it('answers all fields page by page', async () => {
      await using open = await withFields();
      const client = open.client();
      const first = await client.read('h', { limit: 2 });
      expect([...first.fields.keys(), first.next]).to.deep.equal(['one', 'two', '1:two']);
      const second = await client.read('h', { limit: 2, after: first.next ?? '' });
      expect([...second.fields.keys(), second.next]).to.deep.equal(['three', null]);
      expect((await client.read('nothing')).size).to.equal(0);
    });

    it('reads by GET with a query as by POST', async () => {
      await using open = await openApi(unsigned);
      open.service.set('ü &', { 'f=': 'v' });
      const query = new URLSearchParams({ hashset: 'ü &', field: 'f=', consistency: 'local' });
      const answer = await ask(open, `/slimdata/v1/read?${query}`);
      expect(answer.body).to.deep.equal({
        appliedIndex: 1,
        hashset: 'ü &',
        size: 1,
        fields: [{ field: 'f=', value: 'dg==', createdIndex: 1, version: 1 }],
        continue: null,
      });
      expect(answer.headers['cache-control']).to.equal('no-store');
    });

    it('waits for the barrier unless told that less will do, and reads after it', async () => {
      await using open = await openApi();
      open.service.onBarrier = async () => open.service.set('h', { f: 'new' });
      for (const consistency of [undefined, ...consistencies]) {
        const options = consistency === undefined ? {} : { consistency };
        await open.client().read('h', { ...options, deadlineMs: 1000 });
      }
      expect(open.service.barriers.map(({ deadlineMs }) => deadlineMs)).to.deep.equal([900, 900]);
      const page = await open.client().read('h');
      expect(page.fields.get('f')?.version).to.equal(page.appliedIndex);
    });

    it('refuses a leader’s answer where none is', async () => {
      await using open = await openApi();
      open.service.leadership = { role: 'follower', term: 4, leader: 'b' };
      const error = await failureOf(open.client().read('h', { consistency: 'leader' }));
      expect([error.code, error.facts['leader'], error.facts['status']]).to.deep.equal([
        'not_leader',
        'b',
        421,
      ]);
      expect((await open.client().read('h', { consistency: 'local' })).size).to.equal(0);
    });

    it('says so when no leader confirms the read', async () => {
      await using open = await openApi();
      open.service.onBarrier = async () => {
        throw new StoreError('unavailable', 'No leader.');
      };
      expect(await failureOf(open.client().read('h'))).to.include({
        code: 'unavailable',
        message: 'No leader.',
      });
    });

    it('bounds an answer of named fields, and the pages of a listing', async () => {
      await using open = await openApi({ limits: { namedBytesMax: 5, pageBytesMax: 5, fieldsMax: 3 } });
      open.service.set('h', { a: '1234', b: '5678', c: '9' });
      const client = open.client();
      expect((await failureOf(client.read('h', { fields: ['a', 'b'] }))).code).to.equal('too_large');
      const first = await client.read('h');
      expect([...first.fields.keys()]).to.deep.equal(['a']);
      const second = await client.read('h', { after: first.next ?? '' });
      expect([...second.fields.keys()]).to.deep.equal(['b', 'c']);
      const { message } = await failureOf(client.read('h', { fields: ['a', 'b', 'c', 'd'] }));
      expect(message).to.equal('fields is not a list of at most 3.');
    });
  });

  describe('status', () => {
    it('tells who this is and how far', async () => {
      await using open = await openApi({ service: new TestService(40) });
      expect(await open.client().status()).to.deep.equal({
        member: 'a',
        role: 'leader',
        term: 3,
        leader: 'a',
        appliedIndex: 40,
        watch: { oldestIndex: 41, watchers: 0 },
        statistics: { committedIndex: 40 },
      });
    });
  });

  describe('requests', () => {
    const malformed: readonly (readonly [string, string, RegExp])[] = [
      ['transact', '', /body is not JSON/],
      ['transact', '[]', /body is not an object/],
      ['transact', '{"checks":{}}', /checks is not a list/],
      ['transact', '{"checks":[null]}', /checks\[0\] is not an object/],
      ['transact', '{"checks":[{"check":"any"}]}', /checks\[0\].check is none of "absent"/],
      ['transact', '{"checks":[{"check":"term","term":-1}]}', /checks\[0\].term is not a whole number/],
      [
        'transact',
        '{"checks":[{"check":"smaller","hashset":"h","count":1.5}]}',
        /count is not a whole number/,
      ],
      [
        'transact',
        '{"writes":[{"write":"set","hashset":"h","field":"f"}]}',
        /writes\[0\].value is not base64/,
      ],
      ['transact', '{"writes":[{"write":"set","hashset":"h","field":"f","value":"a"}]}', /not base64/],
      ['transact', '{"writes":[{"write":"delete","hashset":"h"}]}', /writes\[0\].field is not a name/],
      ['transact', '{"writes":[{"write":"deleteHashset","hashset":""}]}', /hashset is not a name/],
      ['transact', '{"writes":[{"write":"deleteHashset","hashset":"\\ud800"}]}', /hashset is not a name/],
      ['transact', `{"writes":[{"write":"deleteHashset","hashset":"${'x'.repeat(513)}"}]}`, /1 to 512/],
      ['read', '{}', /hashset is not a name/],
      ['read', '{"hashset":"h","consistency":"most"}', /consistency is none of "linearizable"/],
      ['read', '{"hashset":"h","continue":"x"}', /continue is not/],
      ['read', '{"hashset":"h","limit":"1"}', /limit is not a whole number/],
      ['read?deadlineMs=soon', '{"hashset":"h"}', /deadlineMs is not a whole number/],
    ];
    for (const [path, body, detail] of malformed) {
      it(`refuses ${body.slice(0, 70)} of ${path}, saying ${detail.source}`, async () => {
        await using open = await openApi(unsigned);
        const answer = await ask(open, `/slimdata/v1/${path}`, 'POST', body);
        expect(answer.body).to.include({ status: 400, code: 'malformed_request' });
        expect(answer.body['detail']).to.match(detail);
        expect(open.service.transactions).to.deep.equal([]);
      });
    }

    it('must be of type application/json, so that no page of another origin can send one', async () => {
      await using open = await openApi(unsigned);
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', '']) {
        const headers: Record<string, string> = type === '' ? {} : { 'content-type': type };
        const answer = await ask(open, '/slimdata/v1/transact', 'POST', '{}', headers);
        expect(answer.status).to.equal(415);
      }
      const headers = { 'content-type': 'application/json; charset=utf-8' };
      expect((await ask(open, '/slimdata/v1/transact', 'POST', '{}', headers)).status).to.equal(200);
      expect((await ask(open, '/slimdata/v1/transact', 'OPTIONS')).status).to.equal(405);
    });

    it('must use a method of the route', async () => {
      await using open = await openApi(unsigned);
      for (const [path, method, allow] of [
        ['transact', 'GET', 'POST'],
        ['read', 'PUT', 'GET, POST'],
        ['status', 'POST', 'GET'],
        ['watch', 'POST', 'GET'],
      ]) {
        const answer = await ask(open, `/slimdata/v1/${path}`, method);
        expect([answer.status, answer.headers['allow']]).to.deep.equal([405, allow]);
      }
    });

    it('to other paths are not its own', async () => {
      await using open = await openApi(unsigned);
      for (const path of [
        '/slimdata/v1/',
        '/slimdata/v1/transact/x',
        '/transact',
        '/slimdata/v1/constructor',
      ]) {
        expect((await ask(open, path)).status).to.equal(404);
      }
    });

    it('beyond the largest body are refused, announced or not', async () => {
      await using open = await openApi({ ...unsigned, limits: { bodyBytesMax: 100 } });
      const body = `{"writes":[],"x":"${'x'.repeat(100)}"}`;
      expect((await ask(open, '/slimdata/v1/transact', 'POST', body)).status).to.equal(413);
      const chunked = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
      expect((await ask(open, '/slimdata/v1/transact', 'POST', body, chunked)).status).to.equal(413);
      expect(open.service.transactions).to.deep.equal([]);
    });

    it('whose body does not come are answered at their deadline', async () => {
      await using open = await openApi(unsigned);
      const path = '/slimdata/v1/transact?deadlineMs=50';
      const status = await new Promise((resolve, reject) => {
        const headers = { 'content-type': 'application/json', 'content-length': 10 };
        const sent = sendRequest(
          new URL(path, open.url),
          { method: 'POST', headers, agent: false },
          (response) => {
            resolve(response.resume().statusCode);
          },
        );
        sent.on('error', reject);
        sent.write('{');
      });
      expect(status).to.equal(408);
    });

    it('beyond the bound are refused, and taken again later', async () => {
      await using open = await openApi({ limits: { requestsMax: 1 } });
      let release: () => void = () => undefined;
      const begun = new Promise<void>((resolve) => {
        open.service.onBarrier = () =>
          new Promise((done) => {
            release = done;
            resolve();
          });
      });
      const first = open.client().read('h');
      await begun;
      expect(await failureOf(open.client().status())).to.include({ code: 'overloaded' });
      release();
      await first;
      expect((await open.client().status()).member).to.equal('a');
    });

    it('are refused once the member stops, and the store is listened to no more', async () => {
      await using open = await openApi();
      expect(open.service.listenerCount).to.equal(1);
      open.api.close();
      expect(open.service.listenerCount).to.equal(0);
      expect(await failureOf(open.client().status())).to.include({ code: 'closed' });
    });
  });
});
