import { readdir } from 'node:fs/promises';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.ts';
import type { FailpointName } from '../../src/checkpoint/checkpoint-place.ts';
import { Feed, set, visible } from '../state-machine/feed.ts';
import { configuration, loaded, Workplace } from './test-checkpoint.ts';

function fed(hashset: string): Feed {
  const feed = new Feed();
  feed.run(
    [],
    Array.from({ length: 20 }, (_, field) => set(hashset, `${field}`, 'some value')),
  );
  return feed;
}

async function transfer(from: Checkpoint, to: Checkpoint): Promise<void> {
  await using reader = await from.openSnapshot();
  if (reader === null) throw new Error('there is nothing to send');
  const receiver = await to.openReceiver();
  for await (const { bytes } of reader.open(0)) await receiver.accept(bytes);
  await receiver.install();
}

/** What a start finds in each copy that a crash at that point would have left, and leaves behind itself. */
async function found(place: Workplace, directory: string): Promise<unknown> {
  const checkpoint = await place.open({ directory });
  const machine = await checkpoint.load();
  await checkpoint.close();
  expect(await readdir(directory)).to.deep.equal(['checkpoint']);
  return machine === null ? null : visible(machine);
}

describe('a crash', () => {
  it('within a write leaves the checkpoint before it, or after it', async () => {
    await using place = await Workplace.create();
    const copies: [FailpointName, string][] = [];
    const checkpoint = await place.open({
      failpoint: async (name) => {
        if (name.startsWith('write')) copies.push([name, await place.copy()]);
      },
    });
    const feed = fed('h');
    const first = visible(feed.machine);
    await checkpoint.write(feed.machine.freeze(), configuration);
    feed.run([], [set('h', '3', 'changed'), set('new', 'f'), { write: 'delete', hashset: 'h', field: '4' }]);
    const second = visible(feed.machine);
    await checkpoint.write(feed.machine.freeze(), configuration);
    const seen: [FailpointName, unknown][] = [];
    for (const [name, directory] of copies) seen.push([name, await found(place, directory)]);
    expect(seen).to.deep.equal([
      ['write:built', null],
      ['write:durable', first],
      ['write:built', first],
      ['write:durable', second],
    ]);
  });

  for (const hasOwn of [true, false]) {
    it(`at any step of a snapshot leaves ${hasOwn ? 'the old state or the new' : 'no state or the new'}`, async () => {
      await using place = await Workplace.create();
      const sender = await place.open({ directory: place.path('sender'), limits: { payloadBytes: 400 } });
      const theirs = fed('theirs');
      await sender.write(theirs.machine.freeze(), configuration);
      const copies: [FailpointName, string][] = [];
      const target = await place.open({
        failpoint: async (name) => {
          copies.push([name, await place.copy()]);
        },
      });
      const own = fed('own');
      if (hasOwn) await target.write(own.machine.freeze(), configuration);
      copies.length = 0;
      await transfer(sender, target);

      const [before, after] = [hasOwn ? visible(own.machine) : null, visible(theirs.machine)];
      const inForce: FailpointName[] = ['swap:new-moved', 'swap:new-moved-durably', 'swap:done'];
      expect(new Set(copies.map(([name]) => name))).to.have.length(9);
      for (const [name, directory] of copies) {
        expect(await found(place, directory), name).to.deep.equal(inForce.includes(name) ? after : before);
      }
      expect(visible(await loaded(target))).to.deep.equal(after);
    });
  }

  it('while a start puts things in order is put in order by the next', async () => {
    await using place = await Workplace.create();
    const sender = await place.open({ directory: place.path('sender') });
    await sender.write(fed('theirs').machine.freeze(), configuration);
    const midway: string[] = [];
    const target = await place.open({
      failpoint: async (name) => {
        if (name === 'swap:old-moved' || name === 'swap:new-moved') midway.push(await place.copy());
      },
    });
    const own = fed('own');
    await target.write(own.machine.freeze(), configuration);
    await transfer(sender, target);
    for (const directory of midway) {
      const expected = await found(place, await place.copy(directory.slice(place.directory.length + 1)));
      const again: string[] = [];
      const checkpoint = await place.open({
        directory,
        failpoint: async () => {
          again.push(await place.copy(directory.slice(place.directory.length + 1)));
        },
      });
      await checkpoint.close();
      expect(again).to.have.length(2);
      for (const copy of again) expect(await found(place, copy)).to.deep.equal(expected);
    }
  });
});
