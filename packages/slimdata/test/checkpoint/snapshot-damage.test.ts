import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect } from 'chai';
import { Level } from 'level';
import { describe, it } from 'mocha';
import { chunkBytesMax, type SnapshotChunk } from '../../src/checkpoint/snapshot-chunk.ts';
import { Feed, set, visible } from '../state-machine/feed.ts';
import { configuration, failureOf, loaded, Workplace } from './test-checkpoint.ts';
import { chunksOf, forged, opened, sender } from './test-snapshot.ts';

describe('a snapshot that is not what it should be', () => {
  it('of an unknown version is refused, and the version named', async () => {
    await using place = await Workplace.create();
    const { checkpoint } = await sender(place);
    const [header] = await chunksOf(await opened(checkpoint), 0, 1);
    if (header === undefined) throw new Error('there is no header');
    const newer = forged(header, (bytes) => {
      bytes.writeUInt32BE(7, 25 + 8);
      return bytes;
    });
    const receiver = await (await place.open()).openReceiver();
    const error = await failureOf(receiver.accept(newer.bytes));
    expect(error).to.include({ code: 'unknown_version' });
    expect(error.message).to.include('version 7');
  });

  const lies: readonly [what: string, at: number, change: (bytes: Buffer) => Buffer][] = [
    ['a header without its magic', 0, (bytes) => bytes.fill(0, 25, 26)],
    ['a header with a damaged meta', 0, (bytes) => bytes.fill(0, bytes.length - 10)],
    ['a first chunk that is no header', 0, (bytes) => bytes.fill(1, 8, 9)],
    ['a second header', 2, (bytes) => bytes.fill(0, 8, 9)],
    ['a byte that differs', 3, (bytes) => bytes.fill((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1)],
    ['a key that is too long', 1, (bytes) => bytes.fill(0xff, 25, 26)],
    ['records that lack their end', -2, (bytes) => bytes.subarray(0, bytes.length - 1)],
    ['an end too early', 5, (bytes) => bytes.fill(2, 8, 9)],
    ['another SHA-256', -1, (bytes) => bytes.fill((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1)],
  ];

  for (const [what, at, change] of lies) {
    it(`with ${what} is refused, although its checksums are right, and the checkpoint stays`, async () => {
      await using place = await Workplace.create();
      const { checkpoint } = await sender(place);
      const chunks = await chunksOf(await opened(checkpoint));
      const lie = at < 0 ? chunks.length + at : at;
      const target = await place.open();
      const own = new Feed();
      own.run([], [set('own', 'f')]);
      await target.write(own.machine.freeze(), configuration);
      const receiver = await target.openReceiver();
      const all = chunks.map((chunk) => (chunk.number === lie ? forged(chunk, change) : chunk));
      const receive = async () => {
        for (const { bytes } of all) await receiver.accept(bytes);
        await receiver.install();
      };
      expect(await failureOf(receive())).to.include({ code: 'snapshot_invalid' });
      expect((await failureOf(receiver.accept(chunks[0]?.bytes ?? Buffer.alloc(0)))).message).to.include(
        'not valid',
      );
      await receiver.close();
      expect(visible(await loaded(target))).to.deep.equal(visible(own.machine));
    });
  }

  it('with other records than its header announces is refused, although all its sums are right', async () => {
    await using place = await Workplace.create();
    const { checkpoint } = await sender(place);
    const chunks = await chunksOf(await opened(checkpoint));
    const change = (bytes: Buffer) => bytes.fill('V', bytes.indexOf('value '), bytes.indexOf('value ') + 1);
    const changed = chunks.map((chunk) => (chunk.number === 3 ? forged(chunk, change) : chunk));
    const sha256 = createHash('sha256');
    for (const { bytes } of changed.slice(0, -1)) sha256.update(bytes.subarray(25));
    const sum = sha256.digest();
    const receiver = await (await place.open()).openReceiver();
    for (const chunk of changed) {
      const isLast = chunk.number === chunks.length - 1;
      const { bytes } = isLast ? forged(chunk, (end) => Buffer.concat([end.subarray(0, 25), sum])) : chunk;
      expect(await receiver.accept(bytes)).to.equal('taken');
    }
    const error = await failureOf(receiver.install());
    expect(error).to.include({ code: 'snapshot_invalid' });
    expect(error.message).to.include('header announces');
  });

  it('is not sent to its end by a member whose own checkpoint is damaged', async () => {
    await using place = await Workplace.create();
    const { checkpoint } = await sender(place);
    await checkpoint.close();
    const raw = new Level<Buffer, Buffer>(join(place.path('sender'), 'checkpoint'), {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
    });
    const keys = await raw.keys().all();
    await raw.del(keys[20] ?? Buffer.alloc(0));
    await raw.close();
    const damaged = await place.open({ directory: place.path('sender'), limits: { payloadBytes: 500 } });
    const sent: SnapshotChunk[] = [];
    const send = async () => {
      for await (const chunk of (await opened(damaged)).open(0)) sent.push(chunk);
    };
    expect(await failureOf(send())).to.include({ code: 'corrupt' });
    expect(sent.length).to.be.above(5);
    const receiver = await (await place.open()).openReceiver();
    for (const { bytes } of sent) await receiver.accept(bytes);
    expect(receiver.isComplete).to.equal(false);
  });

  it('refuses bytes that are no chunk at all', async () => {
    await using place = await Workplace.create();
    const receiver = await (await place.open()).openReceiver();
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.alloc(25),
      randomBytes(200),
      Buffer.alloc(chunkBytesMax + 1),
    ]) {
      expect(await receiver.accept(bytes)).to.equal('damaged');
    }
  });
});
