import { readdir } from 'node:fs/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { chunkBytesMax } from '../../src/checkpoint/snapshot-chunk.ts';
import { Feed, set, visible } from '../state-machine/feed.ts';
import { configuration, digestAfter, failureOf, loaded, Workplace } from './test-checkpoint.ts';
import { chunksOf, lists, opened, sender } from './test-snapshot.ts';

describe('snapshot', () => {
  it('makes of another member what this one is', async () => {
    await using place = await Workplace.create();
    const { feed, checkpoint } = await sender(place);
    const reader = await opened(checkpoint);
    const target = await place.open();
    const receiver = await target.openReceiver();
    for await (const { bytes } of reader.open(0)) {
      const copy = Buffer.from(bytes);
      expect(await receiver.accept(copy)).to.equal('taken');
      // The chunk is the sender's again.
      copy.fill(0xff);
    }
    expect(receiver.isComplete).to.equal(true);
    const meta = await receiver.install();
    expect(meta).to.include({ appliedIndex: feed.machine.appliedIndex, appliedTerm: 1 });
    expect(meta.configuration).to.deep.equal(configuration);
    expect(target.stateDigest).to.equal(digestAfter(feed.entries));
    const machine = await loaded(target);
    expect(visible(machine)).to.deep.equal(visible(feed.machine));
    // And it goes on from there.
    const next = new Feed(machine);
    next.send({ checks: [], writes: [set('a', 'after', 'it')] }, { session: 1, sequence: 99 });
    await target.write(machine.freeze(), configuration);
    expect(target.stateDigest).to.equal(digestAfter([...feed.entries, ...next.entries]));
  });

  it('is cut into chunks of equal size, whatever the size of the records', async () => {
    await using place = await Workplace.create();
    const { checkpoint } = await sender(place, 500);
    const [, ...rest] = await chunksOf(await opened(checkpoint));
    const sizes = rest.slice(0, -2).map(({ bytes }) => bytes.length);
    expect(sizes.length).to.be.above(10);
    expect(new Set(sizes)).to.deep.equal(new Set([525]));
  });

  it('has chunks of at most 256 KiB unless told otherwise', async () => {
    await using place = await Workplace.create();
    const feed = new Feed();
    for (let field = 0; field < 4; field++) feed.run([], [set('h', `${field}`, 'x'.repeat(700_000))]);
    const checkpoint = await place.open();
    await checkpoint.write(feed.machine.freeze(), configuration);
    const chunks = await chunksOf(await opened(checkpoint));
    expect(Math.max(...chunks.map(({ bytes }) => bytes.length))).to.equal(chunkBytesMax);
  });

  it('stays as it was while the checkpoint moves on', async () => {
    await using place = await Workplace.create();
    const { feed, checkpoint } = await sender(place);
    const reader = await opened(checkpoint);
    const before = lists(await chunksOf(reader));
    for (let round = 0; round < 5; round++) {
      feed.run([], [set('a', `${round}`, 'changed'), { write: 'deleteHashset', hashset: 'b' }]);
      await checkpoint.write(feed.machine.freeze(), configuration);
    }
    expect(lists(await chunksOf(reader))).to.deep.equal(before);
    expect((await opened(checkpoint)).id).to.not.equal(reader.id);
  });

  it('is the same bytes under the same id on every member with the same state', async () => {
    await using place = await Workplace.create();
    const { feed, checkpoint } = await sender(place);
    const reader = await opened(checkpoint);
    // Another one got there by many checkpoints and restarts.
    const replica = new Feed();
    let other = await place.open({ limits: { payloadBytes: 500 } });
    for (const { payload, term, kind, index } of feed.entries.slice(1)) {
      replica.apply(payload, term, kind);
      if (index % 2 === 0) await other.write(replica.machine.freeze(), configuration);
      await other.close();
      other = await place.open({ limits: { payloadBytes: 500 } });
    }
    await other.write(replica.machine.freeze(), configuration);
    const same = await opened(other);
    expect(same.id).to.equal(reader.id);
    expect(lists(await chunksOf(same))).to.deep.equal(lists(await chunksOf(reader)));
  });

  it('can be read from any chunk on, also by one who did not read those before', async () => {
    await using place = await Workplace.create();
    const { checkpoint } = await sender(place);
    const all = lists(await chunksOf(await opened(checkpoint)));
    for (const from of [0, 1, 2, 7, all.length - 2, all.length - 1]) {
      const reader = await opened(checkpoint);
      expect(lists(await chunksOf(reader, from))).to.deep.equal(all.slice(from));
      expect(lists(await chunksOf(reader, 1, 3))).to.deep.equal(all.slice(1, 4));
      expect(lists(await chunksOf(reader, from))).to.deep.equal(all.slice(from));
      await reader.close();
    }
    expect(await chunksOf(await opened(checkpoint), all.length)).to.deep.equal([]);
  });

  it('is taken in again where a lost connection left off, with duplicates ignored and gaps refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 8 }),
        fc.nat(),
        async (stops, damaged) => {
          await using place = await Workplace.create();
          const { feed, checkpoint } = await sender(place, 400);
          const reader = await opened(checkpoint);
          const target = await place.open();
          const receiver = await target.openReceiver();
          for (const stop of [...stops, Number.POSITIVE_INFINITY]) {
            const from = Math.max(0, receiver.next - (stop === Number.POSITIVE_INFINITY ? 0 : stop % 3));
            for (const { number, bytes } of await chunksOf(reader, from, stop)) {
              const noisy = Buffer.from(bytes);
              const at = damaged % noisy.length;
              noisy[at] = (noisy[at] ?? 0) ^ 1;
              expect(await receiver.accept(noisy)).to.equal('damaged');
              const answer = number === receiver.next ? 'taken' : 'duplicate';
              expect(await receiver.accept(bytes)).to.equal(answer);
            }
            if (!receiver.isComplete) {
              const [ahead] = await chunksOf(reader, receiver.next + 1, 1);
              if (ahead !== undefined && receiver.id !== null)
                expect(await receiver.accept(ahead.bytes)).to.equal('gap');
            }
          }
          await receiver.install();
          expect(visible(await loaded(target))).to.deep.equal(visible(feed.machine));
        },
      ),
      { numRuns: 15 },
    );
  }).timeout(60_000);

  it('is not mixed with another one', async () => {
    await using place = await Workplace.create();
    const { feed, checkpoint } = await sender(place);
    const first = await chunksOf(await opened(checkpoint));
    feed.run([], [set('a', '1', 'changed')]);
    await checkpoint.write(feed.machine.freeze(), configuration);
    const second = await chunksOf(await opened(checkpoint));
    const receiver = await (await place.open()).openReceiver();
    await receiver.accept(first[0]?.bytes ?? Buffer.alloc(0));
    for (const { bytes } of second) expect(await receiver.accept(bytes)).to.equal('foreign');
    expect(receiver.next).to.equal(1);
  });

  it('cannot be installed before it is complete', async () => {
    await using place = await Workplace.create();
    const { checkpoint } = await sender(place);
    const chunks = await chunksOf(await opened(checkpoint));
    const target = await place.open();
    const receiver = await target.openReceiver();
    for (const { bytes } of chunks.slice(0, -1)) await receiver.accept(bytes);
    expect(await failureOf(receiver.install())).to.include({ code: 'snapshot_invalid' });
    await receiver.close();
    expect(target.meta).to.equal(null);
    expect(await readdir(place.path())).to.deep.equal(['checkpoint']);
  });

  it('that was begun before is given up when another one begins', async () => {
    await using place = await Workplace.create();
    const { feed, checkpoint } = await sender(place);
    const chunks = await chunksOf(await opened(checkpoint));
    const target = await place.open();
    const first = await target.openReceiver();
    for (const { bytes } of chunks.slice(0, 4)) await first.accept(bytes);
    const second = await target.openReceiver();
    expect(await failureOf(first.accept(chunks[4]?.bytes ?? Buffer.alloc(0)))).to.include({ code: 'closed' });
    for (const { bytes } of chunks) await second.accept(bytes);
    await second.install();
    expect(visible(await loaded(target))).to.deep.equal(visible(feed.machine));
  });

  it('is let go when nobody reads it', async () => {
    await using place = await Workplace.create();
    const waiting = new Set<() => void>();
    const after = (_delayMs: number, run: () => void) => {
      waiting.add(run);
      return () => waiting.delete(run);
    };
    const checkpoint = await place.open({ after, limits: { payloadBytes: 500, snapshotsMax: 1 } });
    const feed = new Feed();
    feed.run([], [set('h', 'f', 'x'.repeat(2_000))]);
    await checkpoint.write(feed.machine.freeze(), configuration);
    const reader = await opened(checkpoint);
    expect(await failureOf(checkpoint.openSnapshot())).to.include({ code: 'busy' });
    expect(waiting.size).to.equal(1);
    for (const run of waiting) run();
    expect(await failureOf(chunksOf(reader))).to.include({ code: 'expired' });
    await reader.close();
    const next = await opened(checkpoint);
    const reading = next.open(0)[Symbol.asyncIterator]();
    await reading.next();
    await next.close();
    expect(await failureOf(reading.next())).to.include({ code: 'closed' });
    expect(waiting.size).to.equal(0);
  });

  it('of an empty state arrives as well', async () => {
    await using place = await Workplace.create();
    const feed = new Feed();
    const checkpoint = await place.open({ directory: place.path('sender') });
    await checkpoint.write({ ...feed.machine.freeze(), changes: () => [] }, configuration);
    const chunks = await chunksOf(await opened(checkpoint));
    expect(chunks).to.have.length(2);
    const target = await place.open();
    const receiver = await target.openReceiver();
    for (const { bytes } of chunks) await receiver.accept(bytes);
    await receiver.install();
    expect(visible(await loaded(target))).to.deep.equal([]);
  });
});
