import { expect } from 'chai';
import { describe, it } from 'mocha';
import { Feed, set } from '../state-machine/feed.ts';
import { configuration, digestAfter, loaded, Workplace } from './test-checkpoint.ts';

describe('a checkpoint of 100,000 fields', () => {
  it('is written, loaded, sent and installed, and a small change to it stays small', async () => {
    await using place = await Workplace.create();
    const feed = new Feed();
    for (let hashset = 0; hashset < 100; hashset++) {
      const fields = Array.from({ length: 1_000 }, (_, field) =>
        set(`Queue:${hashset}`, `${field}`, 'x'.repeat(200)),
      );
      feed.run([], fields);
    }
    const checkpoint = await place.open({ directory: place.path('sender') });
    await checkpoint.write(feed.machine.freeze(), configuration);
    feed.run([], [set('Queue:7', '7', 'changed')]);
    expect((await checkpoint.write(feed.machine.freeze(), configuration)).changes).to.equal(2);
    // Gone at once, although it takes 1,000 deletions.
    feed.run([], [{ write: 'deleteHashset', hashset: 'Queue:8' }]);
    expect((await checkpoint.write(feed.machine.freeze(), configuration)).changes).to.equal(1_002);

    const reader = await checkpoint.openSnapshot();
    const target = await place.open();
    const receiver = await target.openReceiver();
    for await (const { bytes } of reader?.open(0) ?? []) await receiver.accept(bytes);
    await receiver.install();
    const machine = await loaded(target);
    expect(machine.size('Queue:7')).to.equal(1_000);
    expect([...machine.hashsets('')]).to.have.length(99);
    expect(target.stateDigest).to.equal(digestAfter(feed.entries));
  }).timeout(60_000);
});
