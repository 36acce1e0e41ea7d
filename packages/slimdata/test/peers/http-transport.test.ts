import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { HttpTransportOptions } from '../../src/peers/http-transport.ts';
import type { PeerMessage } from '../../src/peers/peer-message.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { arbitraryFrames, comparable } from './arbitrary-frame.ts';
import { connectAll, openCluster, openTestMember, type TestMember } from './test-member.ts';

const NO_MESSAGE = /^(Proof|Ping|Pong|Refused|Snapshot.*)$/;

/** Some of every type of message. */
const samples = Object.entries(arbitraryFrames)
  .filter(([type]) => !NO_MESSAGE.test(type))
  .flatMap(([, arbitrary]) => fc.sample(arbitrary, { numRuns: 20, seed: 7 }) as PeerMessage[]);

function heartbeat(round: number): PeerMessage {
  return { type: 'Heartbeat', term: 1, commit: 0, round };
}

function propose(sequence: number, bytes: number): PeerMessage {
  return { type: 'Propose', sequence, payload: Buffer.alloc(bytes, sequence % 251) };
}

function pair(members: readonly TestMember[]): [TestMember, TestMember] {
  const [first, second] = members;
  if (first === undefined || second === undefined) {
    throw new Error('two members are needed');
  }
  return [first, second];
}

for (const clusterSecret of ['a shared secret', null]) {
  describe(`openHttpTransport ${clusterSecret === null ? 'without' : 'with'} a secret`, function () {
    this.timeout(10_000);

    it('carries every type of message between three members, unchanged', async () => {
      await using cluster = await openCluster(['a', 'b', 'c'], { clusterSecret });
      for (const { name, transport } of cluster.members) {
        for (const other of cluster.members.filter((each) => each.name !== name)) {
          for (const message of samples) {
            transport.send(other.name, message);
          }
        }
      }
      const sorted = (messages: readonly PeerMessage[]) =>
        messages.map((message) => JSON.stringify(comparable(message))).sort();
      for (const { name, received, unreachable } of cluster.members) {
        await received.until((items) => items.length === 2 * samples.length);
        for (const other of cluster.members.filter((each) => each.name !== name)) {
          const from = received.items.filter((item) => item.from.name === other.name);
          expect(sorted(from.map((item) => item.message))).to.deep.equal(sorted(samples));
        }
        expect(unreachable.items).to.deep.equal([]);
      }
    });

    it('keeps the order of each lane', async () => {
      await using cluster = await openCluster(['a', 'b'], { clusterSecret });
      const [a, b] = pair(cluster.members);
      for (let at = 0; at < 2000; at += 1) {
        a.transport.send('b', propose(at, at % 900));
        a.transport.send('b', heartbeat(at));
      }
      await b.received.until((items) => items.length === 4000);
      const sequences = b.received.items.flatMap(({ message }) =>
        message.type === 'Propose' ? [message.sequence] : [],
      );
      const rounds = b.received.items.flatMap(({ message }) =>
        message.type === 'Heartbeat' ? [message.round] : [],
      );
      const expected = Array.from({ length: 2000 }, (_, at) => at);
      expect(sequences).to.deep.equal(expected);
      expect(rounds).to.deep.equal(expected);
    });
  });
}

describe('openHttpTransport', function () {
  this.timeout(10_000);

  it('carries frames up to its bound whole, and drops larger ones with a reason', async () => {
    await using cluster = await openCluster(['a', 'b']);
    const [a, b] = pair(cluster.members);
    const entries = Array.from({ length: 4 }, (_, at) => ({
      index: at + 1,
      term: 1,
      kind: EntryKind.Command,
      payload: Buffer.alloc(1024 * 1024 - 64, at),
    }));
    const append = {
      type: 'AppendEntries',
      term: 1,
      prevLogIndex: 0,
      prevLogTerm: 0,
      leaderCommit: 0,
    } as const;
    a.transport.send('b', { ...append, entries });
    await b.received.until((items) => items.length === 1);
    expect(comparable(b.received.items[0]?.message as PeerMessage)).to.deep.equal(
      comparable({ ...append, entries }),
    );

    a.transport.send('b', propose(1, 4 * 1024 * 1024));
    const line = await a.log.find(({ event }) => event === 'peer_message_too_large');
    expect(line.facts).to.include({ peer: 'b', message: 'Propose', bytesMax: 4 * 1024 * 1024 });
    await a.unreachable.until((items) => items.includes('b'));
    a.transport.send('b', propose(2, 10));
    await b.received.until((items) => items.length === 2);
  });

  it('reports a message to a peer that is down, after send has returned and once per turn', async () => {
    await using a = await openTestMember('a', { peers: [{ name: 'b', url: 'http://127.0.0.1:1' }] });
    a.transport.send('b', heartbeat(1));
    a.transport.send('b', heartbeat(2));
    expect(a.unreachable.items).to.deep.equal([]);
    await a.unreachable.until((items) => items.length > 0);
    expect(a.unreachable.items).to.deep.equal(['b']);
    expect(a.transport.statistics().peers['b']).to.include({ framesDropped: 2, framesSent: 0 });
  });

  it('reports a message to a member that is no peer', async () => {
    await using a = await openTestMember('a');
    a.transport.send('stranger', heartbeat(1));
    await a.unreachable.until((items) => items.includes('stranger'));
  });

  it('logs an unreachable peer once, not at every dial', async () => {
    await using a = await openTestMember('a', { peers: [{ name: 'b', url: 'http://localhost:1' }] });
    while ((a.transport.statistics().peers['b']?.dials ?? 0) < 12) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const lines = a.log.items.filter(({ event }) => event === 'peer_unreachable');
    expect(lines.map(({ facts }) => facts['lane'])).to.have.members(['bulk', 'control']);
    expect(lines[0]?.facts['reason']).to.match(/ECONNREFUSED/);
  });

  it('connects again after the other side restarted on the same port', async () => {
    await using a = await openTestMember('a');
    const first = await openTestMember('b');
    const { port } = first.transport;
    await connectAll([a, first]);
    await first.transport.close();
    await a.unreachable.until((items) => items.includes('b'));

    const peers = [{ name: 'a', url: a.url }];
    await using second = await openTestMember('b', { port, peers });
    await second.connectedTo('a');
    await a.log.until((lines) => lines.filter(({ event }) => event === 'peer_stream_opened').length === 4);
    a.transport.send('b', heartbeat(1));
    a.transport.send('b', propose(2, 2));
    second.transport.send('a', heartbeat(3));
    await second.received.until((items) => items.length === 2);
    await a.received.until((items) => items.length === 1);
  });

  it('counts what it sends and receives', async () => {
    await using cluster = await openCluster(['a', 'b']);
    const [a, b] = pair(cluster.members);
    a.transport.send('b', heartbeat(1));
    a.transport.send('b', propose(1, 5000));
    await b.received.until((items) => items.length === 2);
    const sent = a.transport.statistics().peers['b'];
    const received = b.transport.statistics().peers['a'];
    expect(sent).to.deep.include({ framesSent: 2, framesDropped: 0, dials: 2, dialed: ['bulk', 'control'] });
    expect(received).to.deep.include({ framesReceived: 2, malformed: 0, accepted: ['bulk', 'control'] });
    expect(sent?.bytesSent).to.be.greaterThan(5000);
    expect(received?.bytesReceived).to.be.greaterThan(5000);
  });

  it('delivers what was sent right before close, and calls nothing back afterwards', async () => {
    await using b = await openTestMember('b');
    const a = await openTestMember('a');
    await connectAll([a, b]);
    a.transport.send('b', { type: 'TimeoutNow', term: 9 });
    const closed = a.transport.close();
    a.transport.send('b', heartbeat(1));
    await closed;
    b.transport.send('a', heartbeat(1));
    await b.received.until((items) => items.length === 1);
    await b.unreachable.until((items) => items.includes('a'));
    expect(b.received.items).to.deep.equal([
      { from: { name: 'a', diskId: 'disk-of-a' }, message: { type: 'TimeoutNow', term: 9 } },
    ]);
    expect(a.received.items).to.deep.equal([]);
    expect(a.unreachable.items).to.deep.equal([]);
  });

  it('leaves neither timers nor sockets behind', async () => {
    const held = () =>
      process
        .getActiveResourcesInfo()
        .filter((each) => /Timeout|TCP/.test(each))
        .sort();
    // The runner starts its own timer once the test has waited for the first time.
    await new Promise((resolve) => setImmediate(resolve));
    const before = held();
    const cluster = await openCluster(['a', 'b', 'c']);
    expect(held().length).to.be.greaterThan(before.length);
    await cluster[Symbol.asyncDispose]();
    await new Promise((resolve) => setImmediate(resolve));
    expect(held()).to.deep.equal(before);
  });

  const strangers: readonly (readonly [string, Partial<HttpTransportOptions>, RegExp, RegExp])[] = [
    ['another secret', { clusterSecret: 'another' }, /"a" does not prove/, /"b" does not prove/],
    ['no secret', { clusterSecret: null }, /refused with 401/, /"b" does not prove/],
    ['another cluster', { clusterId: 'other' }, /412: .* cluster "cluster-1"/, /412: .* cluster "other"/],
  ];
  for (const [what, options, saidByB, saidByA] of strangers) {
    it(`does not talk to a member with ${what}, and both say why`, async () => {
      await using a = await openTestMember('a');
      await using b = await openTestMember('b', { ...options, peers: [{ name: 'a', url: a.url }] });
      a.transport.setPeers([{ name: 'b', url: b.url }]);
      await b.log.find(({ facts }) => saidByB.test(String(facts['reason'])));
      await a.log.find(({ facts }) => saidByA.test(String(facts['reason'])));
      await a.log.find(({ event }) => event === 'peer_refused');
      a.transport.send('b', heartbeat(1));
      b.transport.send('a', heartbeat(1));
      await a.unreachable.until((items) => items.includes('b'));
      await b.unreachable.until((items) => items.includes('a'));
      expect([...a.received.items, ...b.received.items]).to.deep.equal([]);
      expect(a.transport.statistics().peers['b']?.accepted).to.deep.equal([]);
    });
  }

  it('asserts addresses, names and secrets that can never work', async () => {
    const open = (options: Partial<HttpTransportOptions>) =>
      openTestMember('a', options).catch((error: unknown) => error);
    expect(await open({ clusterSecret: '' }))
      .to.have.property('message')
      .that.matches(/empty cluster secret/);
    expect(await open({ clusterId: 'x y' }))
      .to.have.property('message')
      .that.matches(/cluster id "x y"/);
    await using a = await openTestMember('a');
    const peer = (name: string, url: string) => () => a.transport.setPeers([{ name, url }]);
    expect(peer('b', 'https://b:1')).to.throw(/address "https:\/\/b:1" of peer "b"/);
    expect(peer('b', 'b:3262')).to.throw(/address "b:3262"/);
    expect(peer('a', a.url)).to.throw(/member "a" cannot have a peer named "a"/);
  });

  it('closes twice, at once, with peers that are up, down and being dialed', async () => {
    const cluster = await openCluster(['a', 'b']);
    const [a, b] = pair(cluster.members);
    const down = { name: 'c', url: 'http://127.0.0.1:1' };
    const silent = { name: 'd', url: 'http://192.0.2.1:9' };
    a.transport.setPeers([{ name: 'b', url: b.url }, down, silent]);
    const before = performance.now();
    await Promise.all([a.transport.close(), a.transport.close(), b.transport.close()]);
    expect(performance.now() - before).to.be.lessThan(500);
  });

  it('takes new peers and forgets removed ones while it runs', async () => {
    await using cluster = await openCluster(['a', 'b']);
    const [a, b] = pair(cluster.members);
    await using c = await openTestMember('c', { peers: [{ name: 'a', url: a.url }] });
    await c.log.find(({ facts }) => String(facts['reason']).startsWith('refused with 403'));
    a.transport.setPeers([{ name: 'c', url: c.url }]);
    await c.connectedTo('a');
    await a.connectedTo('c');
    await b.log.find(({ facts }) => String(facts['reason']).startsWith('refused with 403'));
    a.transport.send('c', heartbeat(1));
    await c.received.until((items) => items.length === 1);
    expect(Object.keys(a.transport.statistics().peers)).to.deep.equal(['c']);
  });

  it('fails to open on a port in use, with the code of the system', async () => {
    await using a = await openTestMember('a');
    const error: unknown = await openTestMember('b', { port: a.transport.port }).catch(
      (each: unknown) => each,
    );
    expect(error).to.have.property('code', 'EADDRINUSE');
  });
});
