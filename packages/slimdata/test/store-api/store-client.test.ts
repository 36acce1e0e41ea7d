import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { Transaction } from '../../src/state-machine/transaction.ts';
import { createStoreClient } from '../../src/store-api/store-client.ts';
import { formatTransaction, parseTransaction } from '../../src/store-api/transaction-json.ts';
import { createCertificateMaker } from '../peers/certificate-maker.ts';
import { failureOf, openApi } from './open-api.ts';

const nothing: Transaction = { checks: [], writes: [] };

describe('formatTransaction', () => {
  it('comes back as it was from parseTransaction', () => {
    const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 });
    const count = fc.maxSafeNat();
    const named = { hashset: name, field: name };
    const check = fc.oneof(
      fc.record({ check: fc.constant('absent' as const), ...named }),
      fc.record({ check: fc.constant('version' as const), ...named, version: count }),
      fc.record({ check: fc.constant('smaller' as const), hashset: name, count }),
      fc.record({ check: fc.constant('term' as const), term: count }),
      fc.record({ check: fc.constant('empty' as const), hashset: name }),
    );
    const value = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes));
    const write = fc.oneof(
      fc.record({ write: fc.constant('set' as const), ...named, value }),
      fc.record({ write: fc.constant('delete' as const), ...named }),
      fc.record({ write: fc.constant('deleteHashset' as const), hashset: name }),
    );
    const transactions = fc.record(
      { checks: fc.array(check), writes: fc.array(write) },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(transactions, (transaction) => {
        const parsed = parseTransaction(Buffer.from(formatTransaction(transaction)));
        expect(JSON.stringify(parsed)).to.equal(JSON.stringify(transaction));
      }),
    );
  });
});

describe('createStoreClient', function () {
  this.timeout(10_000);

  it('learns for whom to sign, and is asked once more only for that', async () => {
    await using open = await openApi();
    const client = open.client();
    expect((await client.status()).member).to.equal('a');
    expect((await client.transact(nothing)).applied).to.equal(true);
    expect(open.service.transactions).to.have.length(1);
  });

  it('insists on the member that it was told', async () => {
    await using open = await openApi();
    const error = await failureOf(open.client({ member: 'b' }).status());
    expect([error.code, error.facts['member']]).to.deep.equal(['other_member', 'a']);
    expect((await open.client({ member: 'a' }).status()).member).to.equal('a');
  });

  const strangers: readonly (readonly [string, object, string])[] = [
    ['another secret', { secret: 'another' }, 'not_authenticated'],
    ['no secret', { secret: null, member: 'a' }, 'other_member'],
    ['a clock that is late', { now: () => Date.now() - 60_000 }, 'request_expired'],
    ['a clock that is ahead', { now: () => Date.now() + 60_000 }, 'request_expired'],
  ];
  for (const [what, options, code] of strangers) {
    it(`with ${what} is refused with ${code}, and nothing is done`, async () => {
      await using open = await openApi();
      expect(await failureOf(open.client(options).transact(nothing))).to.include({ code });
      expect(open.service.transactions).to.deep.equal([]);
    });
  }

  it('needs no secret where none is asked for', async () => {
    await using open = await openApi({ clusterSecret: null });
    expect((await open.client({ secret: null }).status()).member).to.equal('a');
    expect((await open.client().status()).member).to.equal('a');
  });

  it('tells of a member that is not there, and of one that is no member', async () => {
    const away = createStoreClient({ url: 'http://127.0.0.1:1' });
    expect(await failureOf(away.status())).to.include({ code: 'unreachable' });
    const answers: readonly (readonly [(response: ServerResponse) => void, RegExp])[] = [
      [(response) => response.end('<html>'), /Unexpected token/],
      [(response) => response.writeHead(502).end('bad gateway'), /502: bad gateway/],
      [(response) => response.writeHead(404).end('{"detail":"no such page"}'), /404/],
      [(response) => response.destroy(), /socket hang up/],
    ];
    for (const [answer, reason] of answers) {
      const server = createServer((_, response) => answer(response));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      await using client = createStoreClient({ url: `http://127.0.0.1:${port}` });
      const error = await failureOf(client.status());
      expect([error.code, reason.test(error.message)], error.message).to.deep.equal(['unreachable', true]);
      server.close();
    }
  });

  it('gives up a member that does not answer at all, some time after the deadline', async () => {
    const server = createServer(() => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const delays: number[] = [];
    const timers = {
      after: (delayMs: number, run: () => void) => {
        delays.push(delayMs);
        setImmediate(run);
        return () => undefined;
      },
      every: () => () => undefined,
    };
    const client = createStoreClient({ url: `http://127.0.0.1:${port}`, timers });
    const error = await failureOf(client.status({ deadlineMs: 300 }));
    expect([error.code, delays]).to.deep.equal(['unreachable', [2300]]);
    server.closeAllConnections();
    server.close();
  });

  it('asks nothing when the caller has given up already', async () => {
    await using open = await openApi();
    const signal = AbortSignal.abort();
    expect(await failureOf(open.client().transact(nothing, { signal }))).to.include({ code: 'aborted' });
    expect(open.service.transactions).to.deep.equal([]);
  });

  it('asserts that its address fits', () => {
    expect(() => createStoreClient({ url: 'https://a:3262' })).to.throw(/is not like "http:/);
  });

  describe('over TLS', () => {
    const maker = createCertificateMaker();
    const tls = maker.issue('tool');
    const tlsMember = { tls: maker.issue('a', ['a', 'localhost']) };

    it('is known by its certificate, without a secret', async () => {
      await using open = await openApi({ clusterSecret: null }, tlsMember);
      const client = open.client({ tls, secret: null, member: 'a' });
      expect((await client.status()).member).to.equal('a');
      open.service.set('h', { f: 'v' });
      for await (const event of client.watch({ from: 1 })) {
        expect(event.index).to.equal(1);
        break;
      }
    });

    it('signs as well where a secret is asked for', async () => {
      await using open = await openApi({}, tlsMember);
      expect((await open.client({ tls, member: 'a' }).status()).member).to.equal('a');
      const unsigned = open.client({ tls, secret: null, member: 'a' });
      expect(await failureOf(unsigned.status())).to.include({ code: 'other_member' });
    });

    it('takes the host’s name when it knows no member’s', async () => {
      await using open = await openApi({}, tlsMember);
      const url = open.url.replace('127.0.0.1', 'localhost');
      expect((await open.client({ url, tls }).status()).member).to.equal('a');
      expect(await failureOf(open.client({ tls }).status())).to.include({ code: 'unreachable' });
    });

    it('refuses a member with a certificate in another name', async () => {
      await using open = await openApi({}, tlsMember);
      const { message } = await failureOf(open.client({ tls, member: 'b' }).status());
      expect(message).to.match(/the certificate is for "DNS:a, DNS:localhost", not for member "b"/);
    });

    it('is refused with a certificate of another authority', async () => {
      await using open = await openApi({}, tlsMember);
      const { cert, key } = createCertificateMaker('Other').issue('tool');
      const foreign = open.client({ tls: { cert, key, ca: maker.ca }, member: 'a' });
      expect(await failureOf(foreign.status())).to.include({ code: 'unreachable' });
      await open.member.log.find(({ event }) => event === 'peer_refused');
    });
  });
});
