import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { LogError } from '../../src/log/log-error.ts';
import { appendDurably, createEntry, openTestLog } from './log-history.ts';
import { MemoryFileSystem } from './memory-file-system.ts';

/** Segments are read in slices of this size. */
const sliceBytes = 262_144;
const path = '/log/00000001.wal';

/** One segment of four slices and a block; groups of ten blocks, so that they cross the slices. */
async function writeSegment(bytes: number) {
  const fileSystem = new MemoryFileSystem();
  const { log } = await openTestLog({ fileSystem, segmentBytes: 4 * sliceBytes + 512 });
  let index = 0;
  for (let written = 0; written < bytes; written += 5120) {
    index += 1;
    await appendDurably(log, { hardState: null, truncateFrom: null, entries: [createEntry(index, 1, 4800)] });
  }
  await log.close();
  return { fileSystem, lastIndex: index };
}

describe('scanSegment', function () {
  this.timeout(60_000);

  for (const bytes of [5120, sliceBytes - 5120, sliceBytes, 2 * sliceBytes, 4 * sliceBytes - 10_000]) {
    it(`reads groups of ${bytes} bytes together, across slices`, async () => {
      const { fileSystem, lastIndex } = await writeSegment(bytes);
      const { log, recovered } = await openTestLog({ fileSystem });
      expect(recovered.entries).to.deep.equal(
        Array.from({ length: lastIndex }, (_, offset) => createEntry(offset + 1, 1, 4800)),
      );
      await log.close();
    });
  }

  it('refuses a whole slice of zeros in front of later groups', async () => {
    const { fileSystem } = await writeSegment(3 * sliceBytes);
    fileSystem.get(path).fill(0, sliceBytes, 2 * sliceBytes);
    const error = await openTestLog({ fileSystem }).catch((reason: LogError) => reason);
    expect(error).to.have.property('code', 'corrupt');
    expect(error)
      .to.have.property('place')
      .that.deep.equals({ path, offset: 2 * sliceBytes });
  });

  it('refuses a changed byte far behind the end when its block ends in something', async () => {
    const { fileSystem } = await writeSegment(5120);
    fileSystem.get(path)[4 * sliceBytes - 1] = 1;
    const error = await openTestLog({ fileSystem }).catch((reason: LogError) => reason);
    expect(error).to.have.property('code', 'corrupt');
  });
});
