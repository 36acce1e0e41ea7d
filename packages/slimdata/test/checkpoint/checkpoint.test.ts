import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { Level } from 'level';
import { describe, it } from 'mocha';
import { checkpointLimits } from '../../src/checkpoint/checkpoint.ts';
import { encodeFormat, formatKey, metaKey } from '../../src/checkpoint/checkpoint-meta.ts';
import type { Write } from '../../src/state-machine/transaction.ts';
import { Feed, set, visible } from '../state-machine/feed.ts';
import { configuration, digestAfter, failureOf, loaded, replay, Workplace } from './test-checkpoint.ts';

const rawOptions = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;

describe('checkpoint', () => {
  it('is empty at first', async () => {
    await using place = await Workplace.create();
    const checkpoint = await place.open();
    expect(checkpoint.meta).to.equal(null);
    expect(checkpoint.stateDigest).to.equal(null);
    expect(await checkpoint.load()).to.equal(null);
    expect(await checkpoint.openSnapshot()).to.equal(null);
  });

  it('gives back the state, and where it stands', async () => {
    await using place = await Workplace.create();
    const feed = new Feed();
    feed.run([], [set('b', '2', 'two'), set('a', '1', 'one'), set('b', '1')], 4);
    const first = await place.open();
    await first.write(feed.machine.freeze(), configuration);
    await first.close();
    const second = await place.open();
    expect(second.meta).to.include({ appliedIndex: 2, appliedTerm: 4 });
    expect(second.meta?.configuration).to.deep.equal(configuration);
    const machine = await loaded(second);
    expect(machine.appliedIndex).to.equal(2);
    expect(visible(machine)).to.deep.equal(visible(feed.machine));
  });

  it('keeps names of any characters, empty values and large ones', async () => {
    await using place = await Workplace.create();
    const feed = new Feed();
    const names = ['\0', '\0\0', '/', 'é', '\u{1f600}', 'a\0', 'a', 'x'.repeat(512), 'é'.repeat(512)];
    for (const name of names) {
      feed.run(
        [],
        names.map((field) => set(name, field, '')),
      );
      feed.run([], [set(name, 'large', 'x'.repeat(400_000))]);
    }
    const checkpoint = await place.open();
    await checkpoint.write(feed.machine.freeze(), configuration);
    expect(visible(await loaded(checkpoint))).to.deep.equal(visible(feed.machine));
  });

  it('writes what changed, and no more', async () => {
    await using place = await Workplace.create();
    const feed = new Feed();
    for (let hashset = 0; hashset < 20; hashset++) {
      feed.run(
        [],
        Array.from({ length: 100 }, (_, field) => set(`h${hashset}`, `${field}`, 'x'.repeat(100))),
      );
    }
    const checkpoint = await place.open();
    // A record for each hashset and field, and the session.
    expect((await checkpoint.write(feed.machine.freeze(), configuration)).changes).to.equal(2_021);
    feed.run([], [set('h3', '7', 'y'), set('new', 'f'), { write: 'delete', hashset: 'h4', field: '1' }]);
    const { changes, bytes } = await checkpoint.write(feed.machine.freeze(), configuration);
    // The field, the new hashset with its field, the deletion, the session.
    expect(changes).to.equal(5);
    expect(bytes).to.be.below(300);
    expect(checkpoint.stateDigest).to.equal(digestAfter(feed.entries));
  });

  it('lets applying go on while it writes', async () => {
    await using place = await Workplace.create();
    const feed = new Feed();
    const fields = Array.from({ length: 5_000 }, (_, field) => set('h', `${field}`));
    feed.run([], fields);
    const checkpoint = await place.open({ limits: { sliceMs: 0 } });
    const writing = checkpoint.write(feed.machine.freeze(), configuration);
    let turns = 0;
    let isWritten = false;
    void writing.then(() => {
      isWritten = true;
    });
    while (!isWritten) {
      feed.run([], [set('h', `${turns++}`, 'meanwhile'), set('other', 'f')]);
      if (turns === 3) feed.run([], [{ write: 'deleteHashset', hashset: 'h' }]);
      await new Promise(setImmediate);
    }
    expect(turns).to.be.above(10);
    expect(checkpoint.stateDigest).to.equal(digestAfter(feed.entries, 2));
    await checkpoint.write(feed.machine.freeze(), configuration);
    expect(checkpoint.stateDigest).to.equal(digestAfter(feed.entries));
    expect(visible(await loaded(checkpoint))).to.deep.equal(visible(feed.machine));
  });

  it('insists on deltas in a row', async () => {
    await using place = await Workplace.create();
    const feed = new Feed();
    const checkpoint = await place.open();
    const first = feed.machine.freeze();
    await checkpoint.write(first, configuration);
    feed.run([], [set('h', 'f')]);
    feed.machine.freeze();
    feed.run([], [set('h', 'g')]);
    expect((await failureOf(checkpoint.write(feed.machine.freeze(), configuration))).message).to.include(
      'begins where',
    );
  });

  it('refuses a full disk before it writes, and takes the same delta later', async () => {
    await using place = await Workplace.create();
    const feed = new Feed();
    feed.run([], [set('h', 'f')]);
    const full = await place.open({ limits: { ...checkpointLimits, freeBytesMin: Number.MAX_SAFE_INTEGER } });
    const delta = feed.machine.freeze();
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(await failureOf(full.write(delta, configuration))).to.include({ code: 'disk_full' });
    }
    await full.close();
    feed.run([], [set('h', 'g')]);
    const checkpoint = await place.open();
    await checkpoint.write(delta, configuration);
    await checkpoint.write(feed.machine.freeze(), configuration);
    expect(visible(await loaded(checkpoint))).to.deep.equal(visible(feed.machine));
  });

  it('is of no use any more once a write failed, and never takes that for a disk to wait for', async () => {
    await using place = await Workplace.create();
    const feed = new Feed();
    const checkpoint = await place.open({
      failpoint: async (name) => {
        if (name === 'write:durable')
          throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      },
    });
    const delta = feed.machine.freeze();
    const error = await failureOf(checkpoint.write(delta, configuration));
    expect(error).to.include({ code: 'io' });
    expect(error.message).to.include('disk is full').and.include('start this member again');
    expect(await failureOf(checkpoint.write(delta, configuration))).to.equal(error);
    expect(await failureOf(checkpoint.openSnapshot())).to.equal(error);
  });

  it('refuses a directory that another holds', async () => {
    await using place = await Workplace.create();
    await place.open();
    expect(await failureOf(place.open())).to.include({ code: 'locked' });
  });

  it('refuses everything once it is closed', async () => {
    await using place = await Workplace.create();
    const checkpoint = await place.open();
    await checkpoint.close();
    await checkpoint.close();
    expect(await failureOf(checkpoint.load())).to.include({ code: 'closed' });
    expect(await failureOf(checkpoint.write(new Feed().machine.freeze(), configuration))).to.include({
      code: 'closed',
    });
  });

  it('finishes the write that is under way when it is closed', async () => {
    await using place = await Workplace.create();
    const feed = new Feed();
    const checkpoint = await place.open();
    const writing = checkpoint.write(feed.machine.freeze(), configuration);
    await new Promise(setImmediate);
    await Promise.all([writing, checkpoint.close()]);
    expect((await place.open()).meta).to.include({ appliedIndex: 1 });
  });

  async function withRaw(
    place: Workplace,
    change: (raw: Level<Buffer, Buffer>) => Promise<unknown>,
  ): Promise<void> {
    const raw = new Level<Buffer, Buffer>(`${place.path()}/checkpoint`, rawOptions);
    await change(raw);
    await raw.close();
  }

  async function written(place: Workplace): Promise<Feed> {
    const feed = new Feed();
    feed.run([], [set('h', 'f', 'some value'), set('h', 'g', 'some value')]);
    const checkpoint = await place.open();
    await checkpoint.write(feed.machine.freeze(), configuration);
    await checkpoint.close();
    return feed;
  }

  const ofVersion = (version: number): Buffer => {
    const format = encodeFormat();
    format.writeUInt32BE(version, 8);
    format.writeUInt32BE(crc32(format.subarray(0, 12)), 12);
    return format;
  };

  it('refuses a version that it does not know, and says which', async () => {
    await using place = await Workplace.create();
    await written(place);
    await withRaw(place, (raw) => raw.put(formatKey, ofVersion(2)));
    const error = await failureOf(place.open());
    expect(error).to.include({ code: 'unknown_version' });
    expect(error.message).to.include('version 2').and.include('known is 1');
  });

  const damages: readonly [what: string, change: (raw: Level<Buffer, Buffer>) => Promise<unknown>][] = [
    ['its format record is missing', (raw) => raw.del(formatKey)],
    ['its format record is damaged', (raw) => raw.put(formatKey, Buffer.alloc(16))],
    ['its meta is missing', (raw) => raw.del(metaKey)],
    ['its meta is damaged', (raw) => raw.put(metaKey, Buffer.alloc(60))],
    [
      'both are missing',
      (raw) =>
        raw.batch([
          { type: 'del', key: formatKey },
          { type: 'del', key: metaKey },
        ]),
    ],
    ['there is a record too many', (raw) => raw.put(Buffer.from([9]), Buffer.alloc(1))],
    [
      'a record is missing',
      async (raw) => {
        const [, , , key] = await raw.keys().all();
        if (key !== undefined) await raw.del(key);
      },
    ],
    [
      'a byte of a value differs',
      async (raw) => {
        const [, , , entry] = await raw.iterator().all();
        if (entry === undefined) return;
        const value = Buffer.from(entry[1]);
        value[value.length - 1] = 0;
        await raw.put(entry[0], value);
      },
    ],
  ];

  for (const [what, change] of damages) {
    it(`refuses itself when ${what}, and names the remedy`, async () => {
      await using place = await Workplace.create();
      await written(place);
      await withRaw(place, change);
      const error = await failureOf(place.open().then((checkpoint) => checkpoint.load()));
      expect(error).to.include({ code: 'corrupt' });
      expect(error.message).to.include('state directory').and.include('rejoins');
    });
  }

  const write: fc.Arbitrary<Write> = fc.oneof(
    {
      weight: 5,
      arbitrary: fc
        .tuple(
          fc.constantFrom('a', 'b', '\ud800', 'c\0'),
          fc.string({ minLength: 1, maxLength: 2 }),
          fc.string({ maxLength: 9 }),
        )
        .map((all) => set(...all)),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        write: fc.constant('delete' as const),
        hashset: fc.constantFrom('a', 'b'),
        field: fc.string({ minLength: 1, maxLength: 2 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        write: fc.constant('deleteHashset' as const),
        hashset: fc.constantFrom('a', 'b', 'c\0'),
      }),
    },
  );
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.array(write, { maxLength: 5 }) },
    { weight: 2, arbitrary: fc.constantFrom('checkpoint' as const, 'open' as const) },
    { weight: 1, arbitrary: fc.constant('crash' as const) },
  );

  it('is the state at its index after any history and any crash', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        await using place = await Workplace.create();
        let checkpoint = await place.open();
        const feed = new Feed();
        let sequence = 0;
        for (const one of [...steps, 'crash' as const]) {
          if (one === 'open') feed.open();
          else if (one === 'checkpoint') await checkpoint.write(feed.machine.freeze(), configuration);
          else if (one !== 'crash')
            feed.send(
              { checks: [], writes: one },
              // Neighbours arrive in the wrong order, as they may: 1, 0, 3, 2, ...
              { sequence: sequence++ ^ 1, floor: Math.max(0, sequence - 6) },
            );
          else {
            // What was not in the checkpoint comes again from the log.
            await checkpoint.close();
            checkpoint = await place.open();
            const standing = checkpoint.meta?.appliedIndex ?? 0;
            const machine = (await checkpoint.load()) ?? replay([]);
            expect(visible(machine)).to.deep.equal(visible(replay(feed.entries, standing)));
            if (standing > 0) expect(checkpoint.stateDigest).to.equal(digestAfter(feed.entries, standing));
            for (const entry of feed.entries.slice(standing)) machine.apply(entry);
            feed.machine = machine;
          }
        }
        expect(visible(feed.machine)).to.deep.equal(visible(replay(feed.entries)));
      }),
      { numRuns: 60 },
    );
  }).timeout(60_000);
});
