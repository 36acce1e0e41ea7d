import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { SnapshotOffer, SnapshotSource } from '../../src/peers/snapshot.ts';
import { openFaultProxy } from './fault-proxy.ts';
import { Journal } from './journal.ts';
import {
  failure,
  gate,
  type OnSnapshot,
  openPair,
  send,
  TestSource,
  takeAll,
  takeIn,
} from './snapshot-pair.ts';
import { connectAll, openTestMember } from './test-member.ts';

const SECRET = 'a shared secret';
const PATH = '/slimdata/v1/snapshot';

describe('sendSnapshot', function () {
  this.timeout(10_000);

  for (const clusterSecret of [SECRET, null]) {
    it(`hands over every chunk, in order and unchanged, ${clusterSecret === null ? 'without' : 'with'} a secret`, async () => {
      const source = new TestSource(100, 64 * 1024);
      const taken: Buffer[] = [];
      const offers: unknown[] = [];
      await using pair = await openPair(
        async (from, offer) => {
          offers.push([from, offer.id]);
          await takeAll(offer, 0, taken);
          return 'installed';
        },
        { clusterSecret },
      );
      expect(await send(pair.a, source)).to.equal('installed');
      expect(offers).to.deep.equal([[{ name: 'a', diskId: 'disk-of-a' }, 'snapshot-1']]);
      expect(taken.length).to.equal(100);
      expect(taken.every((bytes, number) => bytes.equals(source.bytesOf(number)))).to.equal(true);
      expect([source.opened, source.ended.items]).to.deep.equal([[0], ['ended']]);
      const bytes = 100 * 64 * 1024;
      expect(pair.a.transport.statistics().peers['b']).to.include({ snapshotBytesSent: bytes });
      expect(pair.b.transport.statistics().peers['a']).to.include({ snapshotBytesReceived: bytes });
    });
  }

  it('hands over a snapshot of no chunks', async () => {
    await using pair = await openPair(takeIn);
    expect(await send(pair.a, new TestSource(0))).to.equal('installed');
  });

  it('starts with the chunk that the receiver wants, as after an earlier attempt that broke off', async () => {
    const kept: Buffer[] = [];
    const outcomes: unknown[] = [];
    const held = new Journal<number>();
    const cut = gate();
    await using b = await openTestMember('b', {
      events: {
        onSnapshot: async (_, offer) => {
          try {
            for await (const { bytes } of offer.chunks(kept.length)) {
              kept.push(Buffer.from(bytes));
              held.add(kept.length);
              if (kept.length === 40) {
                await cut.opened;
              }
            }
          } catch (error) {
            outcomes.push(error);
            throw error;
          }
          return 'installed';
        },
      },
    });
    await using proxy = await openFaultProxy(() => b.transport.port);
    await using a = await openTestMember('a', { peers: [{ name: 'b', url: proxy.url }] });
    b.transport.setPeers([{ name: 'a', url: a.url }]);
    await a.connectedTo('b');
    const source = new TestSource(100, 64 * 1024);
    const first = send(a, source);
    await held.until((items) => items.length === 40);
    proxy.blackhole((head) => head.startsWith(`POST ${PATH}`));
    cut.open();
    expect(await failure(first)).to.include({ code: 'interrupted' });
    await b.log.find(({ event }) => event === 'peer_snapshot_ended');
    expect(outcomes.map((error) => (error as { code: string }).code)).to.deep.equal(['interrupted']);

    expect(await send(a, source)).to.equal('installed');
    expect(source.opened).to.have.length(2);
    expect(source.opened[1]).to.be.at.least(40);
    expect(kept.length).to.equal(100);
    expect(kept.every((bytes, number) => bytes.equals(source.bytesOf(number)))).to.equal(true);
  });

  it('reads no further ahead than buffers hold, and goes on when the receiver does', async () => {
    const slow = gate();
    await using pair = await openPair(async (_, offer) => {
      const chunks = offer.chunks(0)[Symbol.asyncIterator]();
      await chunks.next();
      await slow.opened;
      let taken = 1;
      for (let each = await chunks.next(); each.done !== true; each = await chunks.next()) {
        taken += 1;
      }
      return { refused: `counted ${taken}` };
    });
    const source = new TestSource(1000, 256 * 1024);
    const sent = send(pair.a, source);
    let before = -1;
    while (before !== source.read.items.length || before < 1) {
      before = source.read.items.length;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // What stands in the kernel's and Node's buffers of both sides; the whole is 250 MiB.
    expect(before * 256 * 1024).to.be.lessThan(32 * 1024 * 1024);
    slow.open();
    expect(await sent).to.deep.equal({ refused: 'counted 1000' });
  });

  it('waits for a slow receiver and a slow source longer than silence would be borne', async () => {
    // Time is what is tested here: three times as long as silence would be borne, by checks of 25 ms.
    const idle = () => new Promise((resolve) => setTimeout(resolve, 12 * 25));
    await using pair = await openPair(
      async (_, offer) => {
        await idle();
        await takeAll(offer);
        await idle();
        return 'installed';
      },
      { limits: { dialedSilentChecksMax: 4, acceptedSilentChecksMax: 4 } },
    );
    const source: SnapshotSource = {
      id: 'slow',
      open: async function* () {
        await idle();
        yield { number: 0, bytes: Buffer.alloc(10) };
        await idle();
      },
    };
    expect(await send(pair.a, source)).to.equal('installed');
  });

  it('does not hold up the lanes', async () => {
    const stuck = gate();
    await using pair = await openPair(async (_, offer) => {
      const chunks = offer.chunks(0)[Symbol.asyncIterator]();
      await chunks.next();
      await stuck.opened;
      return { refused: 'enough' };
    });
    const source = new TestSource(1000, 256 * 1024);
    const sent = send(pair.a, source);
    await source.read.until((items) => items.length > 2);
    for (let round = 0; round < 200; round += 1) {
      pair.a.transport.send('b', { type: 'Heartbeat', term: 1, commit: 0, round });
      pair.a.transport.send('b', { type: 'Propose', sequence: round, payload: Buffer.alloc(1000) });
    }
    await pair.b.received.until((items) => items.length === 400);
    stuck.open();
    expect(await sent).to.deep.equal({ refused: 'enough' });
    expect(pair.a.transport.statistics().peers['b']).to.include({ framesDropped: 0, dials: 2 });
  });

  const refusals: readonly (readonly [string, OnSnapshot | null, string])[] = [
    ['by its receiver without a look', async () => ({ refused: 'not now' }), 'not now'],
    [
      'after some chunks',
      async (_, offer) => {
        for await (const { number } of offer.chunks(0)) {
          if (number === 2) {
            break;
          }
        }
        return { refused: 'of no use' };
      },
      'of no use',
    ],
    [
      'because the receiver failed',
      async () => {
        throw new Error('ENOSPC: no space left');
      },
      'ENOSPC: no space left',
    ],
    ['by a member that takes none', null, 'this member takes no snapshots'],
  ];
  for (const [what, onSnapshot, refused] of refusals) {
    it(`tells of a snapshot refused ${what}, and ends the source`, async () => {
      await using pair = await openPair(onSnapshot);
      const source = new TestSource(2000, 64 * 1024);
      expect(await send(pair.a, source)).to.deep.equal({ refused });
      expect(source.ended.items.length).to.equal(source.opened.length);
      expect(await send(pair.a, source), 'the next may come').to.deep.equal({ refused });
    });
  }

  it('sends one snapshot at a time to a peer', async () => {
    const first = gate();
    await using pair = await openPair(async () => {
      await first.opened;
      return 'installed';
    });
    const sent = send(pair.a, new TestSource(1));
    expect(await failure(send(pair.a, new TestSource(1)))).to.include({ code: 'busy' });
    first.open();
    expect(await sent).to.equal('installed');
    expect(await send(pair.a, new TestSource(1))).to.equal('installed');
  });

  it('gives up a peer that went silent; the receiver learns it too', async () => {
    const offers = new Journal<SnapshotOffer>();
    const taken = new Journal<number>();
    const broken = new Journal<unknown>();
    await using b = await openTestMember('b', {
      limits: { acceptedSilentChecksMax: 4 },
      events: {
        onSnapshot: async (_, offer) => {
          offers.add(offer);
          try {
            for await (const { number } of offer.chunks(0)) {
              taken.add(number);
            }
          } catch (error) {
            broken.add(error);
            throw error;
          }
          return 'installed';
        },
      },
    });
    await using proxy = await openFaultProxy(() => b.transport.port);
    await using a = await openTestMember('a', {
      limits: { dialedSilentChecksMax: 4 },
      peers: [{ name: 'b', url: proxy.url }],
    });
    b.transport.setPeers([{ name: 'a', url: a.url }]);
    await a.connectedTo('b');
    const waiting = gate();
    const source: SnapshotSource = {
      id: 's',
      open: async function* () {
        yield { number: 0, bytes: Buffer.alloc(1) };
        await waiting.opened;
      },
    };
    const sent = send(a, source);
    await taken.until((items) => items.length === 1);
    proxy.blackhole((head) => head.startsWith(`POST ${PATH}`));
    await broken.until((items) => items.length === 1);
    expect(broken.items[0])
      .to.have.property('message')
      .that.matches(/nothing came during 5 checks/);
    expect(offers.items[0]?.signal.aborted).to.equal(true);
    waiting.open();
    const { code, message } = await failure(sent);
    expect(code).to.equal('interrupted');
    expect(message).to.match(/"b" was not delivered: no answer during 5 checks/);
  });

  it('fails with the error of its source, and the receiver does not take the rest for whole', async () => {
    const broken = new Journal<unknown>();
    await using pair = await openPair(async (_, offer) => {
      await takeAll(offer).catch((error: unknown) => {
        broken.add(error);
        throw error;
      });
      return 'installed';
    });
    const error = new Error('the disk failed');
    const source: SnapshotSource = {
      id: 's',
      open: async function* () {
        yield { number: 0, bytes: Buffer.alloc(1) };
        throw error;
      },
    };
    expect(await failure(send(pair.a, source))).to.equal(error);
    await broken.until((items) => items.length === 1);
    expect(broken.items[0]).to.have.property('code', 'interrupted');
  });

  it('stops when the caller gives up, before or during, and when the peer is removed', async () => {
    const stuck = new Journal<SnapshotOffer>();
    await using pair = await openPair(async (_, offer) => {
      stuck.add(offer);
      await new Promise((resolve) => offer.signal.addEventListener('abort', resolve));
      return 'installed';
    });
    const caller = new AbortController();
    const given = send(pair.a, new TestSource(1), caller.signal);
    await stuck.until((items) => items.length === 1);
    caller.abort('enough');
    const { code, message } = await failure(given);
    expect([code, message]).to.deep.equal([
      'aborted',
      'The snapshot for "b" was not delivered: the caller gave up: enough.',
    ]);
    expect(await failure(send(pair.a, new TestSource(1), caller.signal))).to.include({ code: 'aborted' });

    const removed = send(pair.a, new TestSource(1));
    await stuck.until((items) => items.length === 2);
    pair.a.transport.setPeers([]);
    expect((await failure(removed)).message).to.match(/the peer was removed/);
    expect(await failure(send(pair.a, new TestSource(1)))).to.include({ code: 'unreachable' });
  });

  it('ends with either side, and close waits for the receiver', async () => {
    let settled = false;
    const begun = new Journal<'begun'>();
    const onSnapshot: OnSnapshot = async (_, offer) => {
      begun.add('begun');
      await new Promise((resolve) => offer.signal.addEventListener('abort', resolve));
      await new Promise((resolve) => setTimeout(resolve, 50));
      settled = true;
      return 'installed';
    };
    await using a = await openTestMember('a');
    const b = await openTestMember('b', { events: { onSnapshot } });
    await connectAll([a, b]);
    const sent = send(a, new TestSource(1));
    await begun.until((items) => items.length === 1);
    await b.transport.close();
    expect(settled).to.equal(true);
    expect(await failure(sent)).to.include({ code: 'interrupted' });
    expect(await failure(send(a, new TestSource(1)))).to.include({ code: 'unreachable' });
    await a.transport.close();
    expect(await failure(send(a, new TestSource(1)))).to.include({ code: 'aborted' });
  });
});
