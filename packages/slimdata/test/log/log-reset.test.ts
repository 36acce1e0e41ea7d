import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { LogBatch } from '../../src/log/log-store.ts';
import { appendDurably, createEntry, entriesBatch, openTestLog } from './log-history.ts';
import { MemoryFileSystem } from './memory-file-system.ts';

const segmentBytes = 4096;
const hardState = { term: 5, votedFor: null };

function snapshotBatch(index: number, count = 0, bytes = 10): LogBatch {
  const entries = Array.from({ length: count }, (_, offset) => createEntry(index + 1 + offset, 5, bytes));
  return { snapshot: { index, term: 4 }, truncateFrom: null, entries, hardState };
}

async function openFilled(last: number) {
  const fileSystem = new MemoryFileSystem();
  const { log } = await openTestLog({ fileSystem, segmentBytes });
  for (let index = 1; index <= last; index += 1) await appendDurably(log, entriesBatch(index, 1, 400));
  return { fileSystem, log };
}

async function recover(fileSystem: MemoryFileSystem) {
  const { log, recovered } = await openTestLog({ fileSystem, segmentBytes });
  await log.close();
  return recovered;
}

describe('a batch with a snapshot', function () {
  this.timeout(60_000);

  for (const index of [3, 12, 1000]) {
    it(`forgets 12 entries and goes on behind a snapshot of ${index}`, async () => {
      const { fileSystem, log } = await openFilled(12);
      await appendDurably(log, snapshotBatch(index, 2));
      await appendDurably(log, { ...entriesBatch(1, 0), entries: [createEntry(index + 3, 5, 400)] });
      await log.close();
      const recovered = await recover(fileSystem);
      expect(recovered.base).to.deep.equal({ index, term: 4 });
      expect(recovered.entries.map((entry) => entry.index)).to.deep.equal([index + 1, index + 2, index + 3]);
      expect(recovered.hardState).to.deep.equal(hardState);
    });
  }

  it('counts in an empty log too, and twice', async () => {
    const { fileSystem, log } = await openFilled(0);
    await appendDurably(log, snapshotBatch(70));
    await appendDurably(log, snapshotBatch(70));
    await appendDurably(log, snapshotBatch(90));
    await log.close();
    expect(await recover(fileSystem)).to.deep.include({ base: { index: 90, term: 4 }, entries: [] });
  });

  it('lets go of the segments before it by itself', async () => {
    const { fileSystem, log } = await openFilled(12);
    const older = fileSystem.paths().slice(0, 2);
    await appendDurably(log, snapshotBatch(5));
    await log.close();
    for (const path of older) expect(fileSystem.paths()).not.to.include(path);
    expect((await recover(fileSystem)).base).to.deep.equal({ index: 5, term: 4 });
  });

  it('takes effect whole or not at all, with the hard state and its entries', async () => {
    const { fileSystem, log } = await openFilled(1);
    fileSystem.calls.length = 0;
    await appendDurably(log, snapshotBatch(2, 3, 400));
    const write = fileSystem.calls.find(({ operation }) => operation === 'write');
    const end = (write?.offset ?? 0) + (write?.bytes ?? 0);
    expect(write?.bytes).to.be.at.least(3 * 512);
    const full = fileSystem.clone();
    await log.close();
    for (let cut = write?.offset ?? 0; cut <= end; cut += 64) {
      const copy = full.clone();
      copy.get(write?.path ?? '').fill(0, cut);
      for (const path of copy.paths()) if (path > (write?.path ?? '')) copy.delete(path);
      const { base, entries, hardState: found } = await recover(copy);
      const facts = [base.index, entries.length, found.term];
      expect(facts, `cut at ${cut}`).to.deep.equal(cut >= end - 4 ? [2, 3, 5] : [0, 1, 0]);
    }
  });

  it('is refused when it is older than the log', async () => {
    const { log } = await openFilled(12);
    await appendDurably(log, snapshotBatch(30));
    expect(() => log.append(snapshotBatch(29), () => {})).to.throw(/snapshot 29 is older than the log/);
    await log.close();
  });
});
