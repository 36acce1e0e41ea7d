import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { exportSnapshot, importSnapshot } from '../../src/checkpoint/snapshot-file.ts';
import { visible } from '../state-machine/feed.ts';
import { failureOf, loaded, Workplace } from './test-checkpoint.ts';
import { opened, sender } from './test-snapshot.ts';

describe('snapshot file', () => {
  it('saves a checkpoint and brings it back', async () => {
    await using place = await Workplace.create();
    const { feed, checkpoint } = await sender(place);
    const path = join(place.directory, 'saved.snapshot');
    await exportSnapshot(await opened(checkpoint), path);
    expect(await readdir(place.directory)).to.have.members(['saved.snapshot', 'sender']);
    const target = await place.open();
    const meta = await importSnapshot(await target.openReceiver(), path);
    expect(meta.appliedIndex).to.equal(feed.machine.appliedIndex);
    expect(visible(await loaded(target))).to.deep.equal(visible(feed.machine));
  });

  it('that is cut or damaged anywhere is refused', async () => {
    await using place = await Workplace.create();
    const { checkpoint } = await sender(place, 500, 3);
    const path = join(place.directory, 'saved.snapshot');
    await exportSnapshot(await opened(checkpoint), path);
    const whole = await readFile(path);
    const target = await place.open();
    const refuse = async () => {
      const receiver = await target.openReceiver();
      expect(await failureOf(importSnapshot(receiver, path))).to.include({ code: 'snapshot_invalid' });
      await receiver.close();
    };
    const { size } = await stat(path);
    for (let round = 0; round < 20; round++) {
      await truncate(path, Math.floor((size * round) / 20));
      await refuse();
      const damaged = Buffer.from(whole);
      const at = Math.floor((size * round) / 20) + (round % 5);
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      await writeFile(path, damaged);
      await refuse();
      await writeFile(path, whole);
    }
    await writeFile(path, Buffer.concat([whole, whole]));
    await refuse();
    await writeFile(path, whole);
    await importSnapshot(await target.openReceiver(), path);
  });

  it('leaves nothing behind when it could not be saved', async () => {
    await using place = await Workplace.create();
    const { checkpoint } = await sender(place);
    const reader = await opened(checkpoint);
    await reader.close();
    await failureOf(exportSnapshot(reader, join(place.directory, 'saved.snapshot')));
    expect(await readdir(place.directory)).to.deep.equal(['sender']);
  });
});
