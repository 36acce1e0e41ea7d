import { expect } from 'chai';
import { describe, it } from 'mocha';
import { encodeMessage, type Frame } from '../../src/peers/codec.ts';
import type { SnapshotOffer, SnapshotResult } from '../../src/peers/snapshot.ts';
import { Journal } from './journal.ts';
import { openRawStream, proofFor, type RawStream } from './raw-stream.ts';
import { gate, type OnSnapshot, takeAll, takeIn } from './snapshot-pair.ts';
import { openTestMember, type TestMember } from './test-member.ts';

const SECRET = 'a shared secret';
const PATH = '/slimdata/v1/snapshot';

describe('AcceptedSnapshot', function () {
  this.timeout(10_000);

  async function openB(onSnapshot: OnSnapshot = takeIn): Promise<TestMember> {
    return await openTestMember('a', {
      peers: [{ name: 'b', url: 'http://127.0.0.1:1' }],
      events: { onSnapshot },
    });
  }

  /** Says the proof and then these frames, in one write. */
  function say(stream: RawStream, ...frames: readonly Frame[]): void {
    const proof: Frame = { type: 'Proof', proof: proofFor(SECRET, stream.headers, { stream: 'snapshot' }) };
    stream.stream.write(Buffer.concat([proof, ...frames].map(encodeMessage)));
  }

  it('is refused when the proof is wrong, and nobody is asked', async () => {
    const offers: SnapshotOffer[] = [];
    await using a = await openB(async (_, offer) => {
      offers.push(offer);
      return 'installed';
    });
    const stream = await openRawStream(a.url, PATH);
    const proof = proofFor('another', stream.headers, { stream: 'snapshot' });
    stream.stream.write(encodeMessage({ type: 'Proof', proof }));
    stream.stream.write(encodeMessage({ type: 'SnapshotOffer', id: 's' }));
    expect(await stream.frames.find(() => true)).to.deep.equal({ type: 'Refused', status: 401 });
    await stream.closed;
    const line = await a.log.find(({ event }) => event === 'peer_refused');
    const detail = 'No proof of member "b": the proof is wrong.';
    expect(line.facts).to.include({ status: 401, stream: 'snapshot', peer: 'b', detail });
    expect(offers).to.deep.equal([]);
  });

  it('is refused with the proof of a lane', async () => {
    await using a = await openB();
    const stream = await openRawStream(a.url, PATH);
    stream.stream.write(encodeMessage({ type: 'Proof', proof: proofFor(SECRET, stream.headers) }));
    expect(await stream.frames.find(() => true)).to.deep.equal({ type: 'Refused', status: 401 });
  });

  it('ends when its proof does not come', async () => {
    await using a = await openB();
    const stream = await openRawStream(a.url, PATH);
    await stream.closed;
    const line = await a.log.find(({ event }) => event === 'peer_refused');
    expect(line.facts['detail']).to.match(/nothing came during 6 checks/);
  });

  const nonsense: readonly (readonly [string, readonly Frame[], RegExp])[] = [
    ['a chunk left out', [{ type: 'SnapshotChunk', number: 1, bytes: Buffer.alloc(1) }], /chunk 0 was due/],
    ['an end too early', [{ type: 'SnapshotEnd', number: 5 }], /chunk 0 was due, SnapshotEnd came/],
    ['a message', [{ type: 'TimeoutNow', term: 1 }], /chunk 0 was due, TimeoutNow came/],
  ];
  for (const [what, frames, reason] of nonsense) {
    it(`ends on ${what}, and its receiver is told`, async () => {
      const broken = new Journal<unknown>();
      await using a = await openB(async (_, offer) => {
        await takeAll(offer).catch((error: unknown) => {
          broken.add(error);
          throw error;
        });
        return 'installed';
      });
      const stream = await openRawStream(a.url, PATH);
      say(stream, { type: 'SnapshotOffer', id: 's' }, ...frames);
      await broken.until((items) => items.length === 1);
      expect(broken.items[0]).to.have.property('message').that.matches(reason);
      await stream.closed;
      expect(stream.frames.items.filter(({ type }) => type === 'SnapshotOutcome')).to.deep.equal([]);
    });
  }

  it('ends on corrupted bytes', async () => {
    const broken = new Journal<unknown>();
    await using a = await openB(async (_, offer): Promise<SnapshotResult> => {
      await takeAll(offer).catch((error: unknown) => broken.add(error));
      return 'installed';
    });
    const stream = await openRawStream(a.url, PATH);
    say(stream, { type: 'SnapshotOffer', id: 's' });
    await stream.frames.find(({ type }) => type === 'SnapshotWanted');
    const chunk = encodeMessage({ type: 'SnapshotChunk', number: 0, bytes: Buffer.alloc(100) });
    chunk[50] = 1;
    stream.stream.write(chunk);
    await broken.until((items) => items.length === 1);
    expect(broken.items[0])
      .to.have.property('message')
      .that.matches(/wrong checksum/);
    await stream.closed;
  });

  it('that is newer takes the place of an older one, once that one’s receiver has let go', async () => {
    const steps = new Journal<string>();
    const letGo = gate();
    await using a = await openB(async (_, offer) => {
      steps.add(`begin ${offer.id}`);
      offer.signal.addEventListener('abort', () => steps.add(`abort ${offer.id}`));
      if (offer.id === 'old') {
        await letGo.opened;
        steps.add('end old');
      }
      return 'installed';
    });
    const older = await openRawStream(a.url, PATH);
    say(older, { type: 'SnapshotOffer', id: 'old' });
    await steps.until((items) => items.length === 1);
    const newer = await openRawStream(a.url, PATH);
    say(newer, { type: 'SnapshotOffer', id: 'new' });
    await older.closed;
    await newer.frames.find(({ type }) => type === 'Pong');
    letGo.open();
    await newer.frames.find(({ type }) => type === 'SnapshotOutcome');
    expect(steps.items.slice(0, 4)).to.deep.equal(['begin old', 'abort old', 'end old', 'begin new']);
  });
});
