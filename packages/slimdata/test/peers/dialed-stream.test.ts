import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { encodeMessage } from '../../src/peers/codec.ts';
import type { PeerMessage } from '../../src/peers/peer-message.ts';
import type { Timers } from '../../src/peers/timers.ts';
import { openFaultProxy } from './fault-proxy.ts';
import { Journal } from './journal.ts';
import { openTestMember } from './test-member.ts';

function heartbeat(round: number): PeerMessage {
  return { type: 'Heartbeat', term: 1, commit: 0, round };
}

function propose(sequence: number, bytes: number): PeerMessage {
  return { type: 'Propose', sequence, payload: Buffer.alloc(bytes) };
}

/** What stands in for a peer where the test decides the answer. */
async function openFakePeer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const acceptance = {
  'content-type': 'application/octet-stream',
  'slimdata-protocol': '1',
  'slimdata-cluster': 'cluster-1',
  'slimdata-from': 'b',
  'slimdata-disk': 'disk-of-b',
};

describe('DialedStream', function () {
  this.timeout(10_000);

  it('reports the peer when its queue overflows before a receiver that does not read, and keeps the bound', async () => {
    await using b = await openFakePeer((request, response) => {
      request.pause();
      response.writeHead(200, acceptance);
      response.write(encodeMessage({ type: 'Pong' }));
    });
    await using a = await openTestMember('a', {
      clusterSecret: null,
      peers: [{ name: 'b', url: b.url }],
      limits: { bulkQueueBytesMax: 1_000_000, dialedSilentChecksMax: 10_000 },
    });
    await a.connectedTo('b');
    let sent = 0;
    while (a.unreachable.items.length === 0) {
      a.transport.send('b', propose(sent, 100_000));
      sent += 1;
      await new Promise((resolve) => setImmediate(resolve));
      expect(sent, 'the queue has a bound').to.be.lessThan(1000);
    }
    const counters = a.transport.statistics().peers['b'];
    expect(counters?.framesDropped).to.equal(1);
    expect(sent - (counters?.framesSent ?? 0), 'held in the queue').to.be.within(9, 11);
    a.transport.send('b', heartbeat(1));
    await new Promise((resolve) => setImmediate(resolve));
    expect(a.transport.statistics().peers['b']?.framesSent, 'the control lane goes on').to.equal(
      (counters?.framesSent ?? 0) + 1,
    );
  });

  it('writes what one turn sends at once', async () => {
    const chunks = new Journal<Buffer>();
    await using b = await openFakePeer((request, response) => {
      response.writeHead(200, acceptance);
      response.write(encodeMessage({ type: 'Pong' }));
      request.on('data', (chunk: Buffer) => chunks.add(chunk));
    });
    await using a = await openTestMember('a', {
      clusterSecret: null,
      peers: [{ name: 'b', url: b.url }],
      limits: { checkIntervalMs: 60_000 },
    });
    await a.connectedTo('b');
    for (let round = 0; round < 100; round += 1) {
      a.transport.send('b', heartbeat(round));
    }
    await chunks.until((items) => items.length > 0);
    expect(chunks.items.map(({ length }) => length)).to.deep.equal([
      Array.from({ length: 100 }, (_, round) => encodeMessage(heartbeat(round)).length).reduce(
        (x, y) => x + y,
      ),
    ]);
  });

  const useless: readonly (readonly [string, (response: ServerResponse) => void, RegExp])[] = [
    [
      'a problem',
      (response) => response.writeHead(412).end('{"detail":"Other cluster"}'),
      /refused with 412: Other cluster/,
    ],
    ['plain text', (response) => response.writeHead(503).end('busy'), /refused with 503: busy/],
    ['JSON that is no problem', (response) => response.writeHead(500).end('null'), /refused with 500: null/],
    ['an endless refusal', (response) => endless(response), /refused with 500: xxxx/],
    ['a page', (response) => response.writeHead(200).end('<html>'), /what answers there is not member "b"/],
    [
      'another member',
      (response) => response.writeHead(200, { ...acceptance, 'slimdata-from': 'c' }).flushHeaders(),
      /not member "b"/,
    ],
    [
      'a protocol never offered',
      (response) => response.writeHead(200, { ...acceptance, 'slimdata-protocol': '2' }).flushHeaders(),
      /not member "b"/,
    ],
    [
      'no proof',
      (response) => response.writeHead(200, acceptance).flushHeaders(),
      /does not prove that it knows/,
    ],
    [
      'a wrong proof',
      (response) =>
        response
          .writeHead(200, {
            ...acceptance,
            'slimdata-nonce': 'n'.repeat(43),
            'slimdata-proof': Buffer.alloc(32).toString('base64url'),
          })
          .flushHeaders(),
      /does not prove that it knows/,
    ],
  ];
  for (const [what, respond, reason] of useless) {
    it(`does not talk to a peer that answers with ${what}, says why once, and tries again`, async () => {
      const dials = new Journal<IncomingMessage>();
      await using b = await openFakePeer((request, response) => {
        response.on('error', () => undefined);
        dials.add(request);
        respond(response);
      });
      await using a = await openTestMember('a', { peers: [{ name: 'b', url: b.url }] });
      const line = await a.log.find(({ event }) => event === 'peer_unreachable');
      expect(line.facts['reason']).to.match(reason);
      await dials.until((items) => items.length >= 6);
      expect(a.log.items.filter(({ event }) => event === 'peer_unreachable')).to.have.length.at.most(2);
      expect(a.transport.statistics().peers['b']).to.deep.include({ framesSent: 0, dialed: [] });
    });
  }

  it('drops a stream whose answers make no sense', async () => {
    await using b = await openFakePeer((_, response) => {
      response.writeHead(200, acceptance);
      response.write(Buffer.alloc(100, 0xff));
    });
    await using a = await openTestMember('a', { clusterSecret: null, peers: [{ name: 'b', url: b.url }] });
    const line = await a.log.find(({ event }) => event === 'peer_stream_lost');
    expect(line.facts['reason']).to.match(/the answer cannot be read: .* exceeds the bound/);
    await a.unreachable.until((items) => items.includes('b'));
  });

  it('drops a stream that is refused after the proof', async () => {
    await using b = await openFakePeer((_, response) => {
      response.writeHead(200, acceptance);
      response.write(encodeMessage({ type: 'Refused', status: 401 }));
    });
    await using a = await openTestMember('a', { clusterSecret: null, peers: [{ name: 'b', url: b.url }] });
    const line = await a.log.find(({ event }) => event === 'peer_stream_lost');
    expect(line.facts['reason']).to.equal('refused with 401 after the proof');
    await a.unreachable.until((items) => items.includes('b'));
  });

  it('logs again when the reason changes', async () => {
    let status = 503;
    await using b = await openFakePeer((_, response) => response.writeHead(status).end('no'));
    await using a = await openTestMember('a', { peers: [{ name: 'b', url: b.url }] });
    await a.log.find(({ facts }) => facts['reason'] === 'refused with 503: no');
    status = 412;
    await a.log.find(({ facts }) => facts['reason'] === 'refused with 412: no');
  });

  for (const [what, answer] of [
    ['refuses', (response: ServerResponse) => response.writeHead(412).end()],
    [
      'takes a stream and drops it at once',
      (response: ServerResponse) => {
        response.writeHead(200, acceptance);
        response.end(encodeMessage({ type: 'Pong' }));
      },
    ],
  ] as const) {
    it(`waits twice as long before each dial, up to a bound, less a random part, while a peer ${what}`, async () => {
      const waits = new Journal<number>();
      const timers: Timers = {
        every: () => () => undefined,
        after: (delayMs, run) => {
          waits.add(delayMs);
          const timer = setImmediate(run);
          return () => clearImmediate(timer);
        },
      };
      await using b = await openFakePeer((request, response) => {
        if (request.url?.endsWith('bulk')) {
          answer(response);
        }
      });
      await using a = await openTestMember('a', {
        clusterSecret: null,
        peers: [{ name: 'b', url: b.url }],
        timers,
        limits: { redialDelayMs: 50, redialDelayMsMax: 2000 },
      });
      await waits.until((items) => items.length >= 9);
      const expected = [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000].map((ceiling) => ceiling * 0.75);
      expect(waits.items.slice(0, 9)).to.deep.equal(expected);
      expect(a.log.items.filter(({ level }) => level === 'warn')).to.have.length(1);
      await a.transport.close();
      const count = waits.items.length;
      await new Promise((resolve) => setImmediate(resolve));
      expect(waits.items).to.have.length(count);
    });
  }

  it('notices a link that swallows everything, reports it, and dials again until it heals', async () => {
    await using b = await openTestMember('b');
    await using proxy = await openFaultProxy(() => b.transport.port);
    await using a = await openTestMember('a');
    b.transport.setPeers([{ name: 'a', url: a.url }]);
    a.transport.setPeers([{ name: 'b', url: proxy.url }]);
    await a.connectedTo('b');
    proxy.blackhole();
    const line = await a.log.find(({ event }) => event === 'peer_stream_lost');
    expect(line.facts['reason']).to.equal('no answer during 6 checks');
    await a.unreachable.until((items) => items.includes('b'));
    await a.log.until((lines) => lines.filter(({ event }) => event === 'peer_stream_opened').length >= 4);
    a.transport.send('b', heartbeat(7));
    await b.received.until((items) => items.length === 1);
    await b.log.find(({ facts }) => facts['end'] === 'silent' || facts['end'] === 'replaced');
  });

  it('recovers after a frame was changed on its way', async () => {
    await using b = await openTestMember('b');
    await using proxy = await openFaultProxy(() => b.transport.port);
    await using a = await openTestMember('a', { limits: { checkIntervalMs: 60_000 } });
    b.transport.setPeers([{ name: 'a', url: a.url }]);
    a.transport.setPeers([{ name: 'b', url: proxy.url }]);
    await a.connectedTo('b');
    const marker = Buffer.alloc(50, 0x5a);
    proxy.alter((chunk) => {
      const at = chunk.indexOf(marker);
      return at === -1
        ? chunk
        : Buffer.concat([chunk.subarray(0, at), Buffer.alloc(50, 0x5b), chunk.subarray(at + 50)]);
    });
    a.transport.send('b', { type: 'Propose', sequence: 1, payload: marker });
    const line = await b.log.find(({ event }) => event === 'peer_stream_malformed');
    expect(line.facts['reason']).to.match(/wrong checksum/);
    await a.unreachable.until((items) => items.includes('b'));
    proxy.heal();
    await a.log.until((lines) => lines.filter(({ event }) => event === 'peer_stream_opened').length === 3);
    a.transport.send('b', propose(2, 10));
    await b.received.until((items) => items.length === 1);
    expect(b.received.items[0]?.message).to.include({ type: 'Propose', sequence: 2 });
  });

  it('keeps the control lane quick while the bulk lane stands still', async () => {
    await using b = await openTestMember('b');
    await using proxy = await openFaultProxy(() => b.transport.port);
    await using a = await openTestMember('a', { limits: { dialedSilentChecksMax: 10_000 } });
    b.transport.setPeers([{ name: 'a', url: a.url }]);
    a.transport.setPeers([{ name: 'b', url: proxy.url }]);
    await a.connectedTo('b');
    proxy.stall((head) => head.includes('/stream/bulk'));
    while (a.unreachable.items.length === 0) {
      for (let at = 0; at < 10; at += 1) {
        a.transport.send('b', propose(at, 500_000));
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    a.transport.send('b', heartbeat(1));
    await b.received.find(({ message }) => message.type === 'Heartbeat');
  });

  it('does not take a slow but moving link for a dead one', async () => {
    await using b = await openTestMember('b');
    await using proxy = await openFaultProxy(() => b.transport.port);
    await using a = await openTestMember('a', { limits: { dialedSilentChecksMax: 3 } });
    b.transport.setPeers([{ name: 'a', url: a.url }]);
    a.transport.setPeers([{ name: 'b', url: proxy.url }]);
    await a.connectedTo('b');
    proxy.throttle(5000);
    // Takes at least 240 ms, twice as long as silence is allowed; a ping would wait behind it.
    a.transport.send('b', propose(1, 600_000));
    await b.received.until((items) => items.length === 1);
    expect(a.transport.statistics().peers['b']).to.include({ dials: 2, framesDropped: 0 });
  });
});

function endless(response: ServerResponse): void {
  response.writeHead(500);
  const more = () => {
    while (!response.destroyed && response.write('x'.repeat(1000))) {
      // until the socket has enough
    }
  };
  response.on('drain', more);
  more();
}
