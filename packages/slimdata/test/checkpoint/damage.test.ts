import { open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { CheckpointError } from '../../src/checkpoint/checkpoint-error.ts';
import { Feed, set, visible } from '../state-machine/feed.ts';
import { configuration, replay, Workplace } from './test-checkpoint.ts';

/** Several checkpoints in a row, over several openings, so that data lies in the log and in sorted files. */
async function history(place: Workplace): Promise<Feed> {
  const feed = new Feed();
  for (let round = 0; round < 4; round++) {
    const checkpoint = await place.open();
    for (let part = 0; part < 3; part++) {
      const fields = Array.from({ length: 20 }, (_, field) =>
        set(`h${part}`, `${round % 2}-${field}`, `v${round}`.repeat(20)),
      );
      feed.run([], fields);
      feed.run([], [{ write: 'delete', hashset: `h${part}`, field: `${round % 2}-3` }]);
      await checkpoint.write(feed.machine.freeze(), configuration);
    }
    await checkpoint.close();
  }
  return feed;
}

type Found = 'whole' | 'earlier' | 'empty' | 'refused';

/** What a member finds in the directory; anything but a refusal must be a state that really was. */
async function find(place: Workplace, directory: string, feed: Feed): Promise<Found> {
  try {
    const checkpoint = await place.open({ directory });
    try {
      const machine = await checkpoint.load();
      const standing = checkpoint.meta?.appliedIndex ?? 0;
      if (machine === null) return 'empty';
      expect(machine.appliedIndex).to.equal(standing);
      expect(visible(machine)).to.deep.equal(visible(replay(feed.entries, standing)));
      return standing === feed.machine.appliedIndex ? 'whole' : 'earlier';
    } finally {
      await checkpoint.close();
    }
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    expect(error.code).to.equal('corrupt');
    return 'refused';
  }
}

async function flip(path: string, offset: number, mask: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, offset);
    byte[0] = (byte[0] ?? 0) ^ mask;
    await file.write(byte, 0, 1, offset);
  } finally {
    await file.close();
  }
}

const isData = (name: string) => /\.(ldb|log)$|^MANIFEST|^CURRENT$/.test(name);

describe('a damaged checkpoint', () => {
  async function damageEach(
    damage: (path: string, size: number, round: number) => Promise<boolean>,
  ): Promise<Record<Found, number>> {
    await using place = await Workplace.create();
    const feed = await history(place);
    const names = (await readdir(join(place.path(), 'checkpoint'))).filter(isData);
    const counts: Record<Found, number> = { whole: 0, earlier: 0, empty: 0, refused: 0 };
    for (const name of names) {
      for (let round = 0; ; round++) {
        const directory = await place.copy();
        const path = join(directory, 'checkpoint', name);
        const isDamaged = await damage(path, (await stat(path)).size, round);
        if (isDamaged) counts[await find(place, directory, feed)]++;
        await rm(directory, { recursive: true });
        if (!isDamaged) break;
      }
    }
    return counts;
  }

  it('is never taken for another state, whichever byte differs', async () => {
    const counts = await damageEach(async (path, size, round) => {
      const offset = Math.floor((size * round) / 40) + (round % 7);
      if (round === 40 || offset >= size) return false;
      await flip(path, offset, 1 << (round % 8));
      return true;
    });
    // Bytes in the sorted files are of no use to LevelDB's recovery but to us; most flips must be noticed.
    expect(counts.refused).to.be.above(50);
    expect(counts.empty).to.equal(0);
  }).timeout(60_000);

  it('is never taken for another state, wherever a file is cut', async () => {
    const counts = await damageEach(async (path, size, round) => {
      if (round === 25) return false;
      await truncate(path, Math.floor((size * round) / 25));
      return true;
    });
    expect(counts.refused).to.be.above(20);
  }).timeout(60_000);

  it('is never taken for another state, nor deleted, when a file is missing', async () => {
    const counts = await damageEach(async (path, _size, round) => {
      if (round === 1) return false;
      await rm(path);
      return true;
    });
    expect(counts.refused).to.be.above(1);
    expect(counts.empty).to.equal(0);
  });

  it('is left as it is when the file that names the others is missing', async () => {
    await using place = await Workplace.create();
    const feed = await history(place);
    const directory = join(place.path(), 'checkpoint');
    await rm(join(directory, 'CURRENT'));
    const before = await readdir(directory);
    expect(await find(place, place.path(), feed)).to.equal('refused');
    expect(await readdir(directory)).to.deep.equal(before);
    expect(
      (await readFile(join(directory, before.find((name) => name.endsWith('.ldb')) ?? ''))).length,
    ).to.be.above(0);
  });
});
