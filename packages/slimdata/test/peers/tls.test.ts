import { once } from 'node:events';
import { connect } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { TlsMaterial } from '../../src/peers/certificate.ts';
import type { PeerMessage } from '../../src/peers/peer-message.ts';
import { createCertificateMaker } from './certificate-maker.ts';
import { connectAll, openTestMember, type TestMember } from './test-member.ts';

const maker = createCertificateMaker();
const heartbeat: PeerMessage = { type: 'Heartbeat', term: 1, commit: 0, round: 1 };

/** Member `a` listens; `b` dials it. Resolves with why that came to nothing, as `b` tells it. */
async function reasonAgainst(b: TestMember, a: TestMember): Promise<string> {
  b.transport.setPeers([{ name: 'a', url: a.url }]);
  const line = await b.log.find(({ event }) => event === 'peer_unreachable');
  return String(line.facts['reason']);
}

async function openA(): Promise<TestMember> {
  return await openTestMember('a', {
    tls: maker.issue('a'),
    peers: [{ name: 'b', url: 'https://127.0.0.1:1' }],
  });
}

describe('TLS between members', function () {
  this.timeout(10_000);

  for (const clusterSecret of ['a shared secret', null]) {
    it(`carries messages and snapshots ${clusterSecret === null ? 'without' : 'besides'} a secret`, async () => {
      const installed: string[] = [];
      await using a = await openTestMember('a', { clusterSecret, tls: maker.issue('a') });
      await using b = await openTestMember('b', {
        clusterSecret,
        tls: maker.issue('b'),
        events: {
          onSnapshot: async (_, offer) => {
            for await (const { bytes } of offer.chunks(0)) {
              installed.push(Buffer.from(bytes).toString());
            }
            return 'installed';
          },
        },
      });
      expect(a.url).to.match(/^https:/);
      await connectAll([a, b]);
      a.transport.send('b', heartbeat);
      await b.received.until((items) => items.length === 1);
      expect(b.received.items).to.deep.equal([
        { from: { name: 'a', diskId: 'disk-of-a' }, message: heartbeat },
      ]);
      const source = {
        id: 's',
        open: async function* () {
          yield { number: 0, bytes: Buffer.from('all of it') };
        },
      };
      const result = await a.transport.sendSnapshot('b', source, new AbortController().signal);
      expect([result, installed]).to.deep.equal(['installed', ['all of it']]);
    });
  }

  it('takes the common name of a certificate without alternative names', async () => {
    await using a = await openTestMember('a', { tls: maker.issue('a', null) });
    await using b = await openTestMember('b', { tls: maker.issue('b', null) });
    await connectAll([a, b]);
  });

  it('takes one alternative name among several', async () => {
    await using a = await openTestMember('a', { tls: maker.issue('x', ['localhost', 'a', 'a.svc']) });
    await using b = await openTestMember('b', { tls: maker.issue('b') });
    await connectAll([a, b]);
  });

  const impostors: readonly (readonly [string, TlsMaterial, RegExp])[] = [
    ['of another member', maker.issue('c'), /401: "b" shows a certificate for "DNS:c"/],
    ['whose common name alone is right', maker.issue('b', ['c']), /401: "b" shows a certificate for "DNS:c"/],
    ['for a wildcard', maker.issue('b', ['*', '*.b', '*b']), /401: "b" shows a certificate for/],
  ];
  for (const [what, tls, reason] of impostors) {
    it(`refuses a member with a certificate ${what}`, async () => {
      await using a = await openA();
      await using b = await openTestMember('b', { tls });
      expect(await reasonAgainst(b, a)).to.match(reason);
      expect(a.transport.statistics().refusals).to.have.property('401');
    });
  }

  it('refuses, before it says anything, a member whose certificate is not in its name', async () => {
    await using a = await openTestMember('a', {
      tls: maker.issue('c'),
      peers: [{ name: 'b', url: 'https://127.0.0.1:1' }],
    });
    await using b = await openTestMember('b', { tls: maker.issue('b') });
    expect(await reasonAgainst(b, a)).to.equal('the certificate is for "DNS:c", not for member "a"');
    expect(a.transport.statistics().refusals).not.to.have.property('200');
    expect(a.transport.statistics().peers['b']?.accepted).to.deep.equal([]);
  });

  it('refuses a certificate of another authority, in both directions', async () => {
    const { cert, key } = createCertificateMaker('Other authority').issue('b');
    await using a = await openA();
    // Believes in the right authority, but is not signed by it.
    await using b = await openTestMember('b', { tls: { cert, key, ca: maker.ca } });
    await reasonAgainst(b, a);
    const line = await a.log.find(({ event }) => event === 'peer_refused');
    expect(line.facts).to.include({ status: 401 });
    expect(line.facts['detail']).to.match(/No trusted TLS connection: UNABLE_TO_VERIFY_LEAF_SIGNATURE/);

    a.transport.setPeers([{ name: 'b', url: b.url }]);
    await a.log.find(({ facts }) => /unable to verify/.test(String(facts['reason'])));
    expect(a.transport.statistics().peers['b']).to.deep.include({ accepted: [], dialed: [] });
  });

  it('refuses a certificate that has expired', async () => {
    const validity = ['20000101000000Z', '20010101000000Z'] as const;
    await using a = await openA();
    await using b = await openTestMember('b', { tls: maker.issue('b', ['b'], validity) });
    await reasonAgainst(b, a);
    const line = await a.log.find(({ event }) => event === 'peer_refused');
    expect(line.facts['detail']).to.match(/CERT_HAS_EXPIRED/);
  });

  it('still asks for the secret', async () => {
    await using a = await openA();
    await using b = await openTestMember('b', { tls: maker.issue('b'), clusterSecret: null });
    expect(await reasonAgainst(b, a)).to.match(/refused with 401: .* asks its peers for the cluster secret/);
  });

  const clients: readonly (readonly [string, ConnectionOptions, RegExp])[] = [
    ['a client without a certificate', {}, /PEER_DID_NOT_RETURN_A_CERTIFICATE/],
    [
      'TLS 1.1',
      { ...maker.issue('b'), minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' },
      /UNSUPPORTED_PROTOCOL|VERSION/,
    ],
  ];
  for (const [what, options, reason] of clients) {
    it(`refuses ${what}`, async () => {
      await using a = await openA();
      const ciphers = 'DEFAULT@SECLEVEL=0';
      const socket = connectTls({
        port: a.transport.port,
        host: '127.0.0.1',
        ca: maker.ca,
        ciphers,
        ...options,
        checkServerIdentity: () => undefined,
      });
      socket.on('error', () => socket.destroy());
      const line = await a.log.find(({ event }) => event === 'peer_refused');
      expect(line.facts['detail']).to.match(reason);
      socket.destroy();
    });
  }

  it('refuses plain HTTP, and closes at once with a handshake under way', async () => {
    const a = await openA();
    const plain = connect(a.transport.port, '127.0.0.1');
    plain.write('POST /slimdata/v1/stream/bulk HTTP/1.1\r\n\r\n');
    await a.log.find(({ event }) => event === 'peer_refused');
    await once(plain.resume(), 'close');
    const silent = connect(a.transport.port, '127.0.0.1');
    await once(silent, 'connect');
    await a.transport.close();
    await once(silent.resume(), 'close');
  });

  it('asserts that addresses say https exactly when there is TLS', async () => {
    await using a = await openA();
    expect(() => a.transport.setPeers([{ name: 'b', url: 'http://b:3262' }])).to.throw(/is not like "https:/);
  });

  it('fails to open with a key that is not the certificate’s', async () => {
    const tls = { ...maker.issue('a'), key: maker.issue('a').key };
    const error: unknown = await openTestMember('a', { tls }).catch((each: unknown) => each);
    expect(error)
      .to.have.property('code')
      .that.matches(/^ERR_OSSL/);
  });
});
