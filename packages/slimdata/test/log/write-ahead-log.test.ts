import { expect } from 'chai';
import * as fc from 'fast-check';
import { describe, it } from 'mocha';
import type { LogError } from '../../src/log/log-error.ts';
import {
  appendDurably,
  buildHistory,
  describeState,
  entriesBatch,
  openTestLog,
  steps,
} from './log-history.ts';
import { MemoryFileSystem } from './memory-file-system.ts';

const megabyte = 1024 * 1024;

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Holds every fdatasync until told; `reached` resolves when the next one waits. */
function holdSyncs(fileSystem: MemoryFileSystem) {
  let arrive = () => {};
  let release = () => {};
  const state = {
    reached: new Promise<void>((resolve) => {
      arrive = resolve;
    }),
    release: () => release(),
  };
  fileSystem.intercept = ({ operation }) => {
    if (operation !== 'syncData') return;
    fileSystem.intercept = null;
    arrive();
    return new Promise((resolve) => {
      release = resolve;
    });
  };
  return state;
}

describe('openWriteAheadLog', function () {
  this.timeout(60_000);

  it('formats an empty directory: no entries, term 0, no vote, a fresh disk id', async () => {
    const fileSystem = new MemoryFileSystem();
    const { log, recovered } = await openTestLog({ fileSystem });
    expect(recovered).to.deep.equal({
      base: { index: 0, term: 0 },
      entries: [],
      hardState: { term: 0, votedFor: null },
      diskId: 'd1'.repeat(16),
    });
    await log.close();
  });

  it('keeps the disk id for ever', async () => {
    const fileSystem = new MemoryFileSystem();
    await (await openTestLog({ fileSystem })).log.close();
    const { log, recovered } = await openTestLog({
      fileSystem,
      randomBytes: (size) => Buffer.alloc(size, 0xff),
    });
    expect(recovered.diskId).to.equal('d1'.repeat(16));
    await log.close();
  });

  it('gives back any history after any number of restarts', async () => {
    const histories = fc.array(steps({ entryBytesMax: 700, batchesMax: 6 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(histories, async (sessions) => {
        const fileSystem = new MemoryFileSystem();
        const { batches, states } = buildHistory(sessions.flat());
        let done = 0;
        for (const session of sessions) {
          const { log, recovered } = await openTestLog({ fileSystem });
          expect(describeState(recovered)).to.equal(describeState(states[done] ?? recovered));
          const mine = batches.slice(done, done + session.length);
          await Promise.all(mine.map((batch) => appendDurably(log, batch)));
          done += session.length;
          await log.close();
        }
        const { log, recovered } = await openTestLog({ fileSystem });
        expect(describeState(recovered)).to.equal(describeState(states[done] ?? recovered));
        await log.close();
      }),
      { numRuns: 100 },
    );
  });

  it('gives back entries of every size around block and segment boundaries', async () => {
    for (const base of [490, 980, 1470, 1536, 2048, 4096, 8192]) {
      for (let delta = -60; delta <= 4; delta += 1) {
        const fileSystem = new MemoryFileSystem();
        const batches = [entriesBatch(1, 1, base + delta), entriesBatch(2, 2, base + delta)];
        const { log } = await openTestLog({ fileSystem, segmentBytes: 4096 });
        for (const batch of batches) await appendDurably(log, batch);
        await log.close();
        const { log: again, recovered } = await openTestLog({ fileSystem, segmentBytes: 4096 });
        const expected = batches.flatMap(({ entries }) => entries);
        expect(recovered.entries, `${base + delta} bytes`).to.deep.equal(expected);
        await again.close();
      }
    }
  });

  it('gives an entry larger than a segment a segment of its own, and goes on in normal ones', async () => {
    const fileSystem = new MemoryFileSystem();
    const { log } = await openTestLog({ fileSystem });
    await appendDurably(log, entriesBatch(1, 1, 100_000));
    await appendDurably(log, entriesBatch(2, 3, 400));
    await log.close();
    const sizes = fileSystem.paths().map((path) => fileSystem.get(path).length);
    expect(Math.max(...sizes)).to.be.greaterThan(100_000);
    expect(sizes.at(-1)).to.equal(2048);
    const { log: again, recovered } = await openTestLog({ fileSystem });
    expect(recovered.entries.map(({ payload }) => payload.length)).to.deep.equal([100_000, 400, 400, 400]);
    await again.close();
  });

  it('opens with another segment size than before', async () => {
    const fileSystem = new MemoryFileSystem();
    let index = 1;
    for (const segmentBytes of [4096, 2048, 8192, 2048]) {
      const { log, recovered } = await openTestLog({ fileSystem, segmentBytes });
      expect(recovered.entries.length).to.equal(index - 1);
      for (let count = 0; count < 7; count += 1) await appendDurably(log, entriesBatch(index++, 1, 300));
      await log.close();
    }
  });

  it('restates the hard state in the header of each segment', async () => {
    const fileSystem = new MemoryFileSystem();
    const { log } = await openTestLog({ fileSystem });
    const hardState = { term: 7, votedFor: 'slimfaas-2' };
    await appendDurably(log, { hardState, truncateFrom: null, entries: [] });
    for (let index = 1; index < 9; index += 1) await appendDurably(log, entriesBatch(index, 1, 400));
    await log.close();
    const later = fileSystem.paths().slice(1);
    expect(later.length).to.be.greaterThan(2);
    for (const path of later.slice(0, -1)) {
      expect(fileSystem.get(path).includes('slimfaas-2'), path).to.equal(true);
    }
  });

  it('refuses a directory that is open already', async () => {
    const fileSystem = new MemoryFileSystem();
    const { log } = await openTestLog({ fileSystem });
    const error = await openTestLog({ fileSystem }).catch((reason: LogError) => reason);
    expect(error).to.have.property('code', 'locked');
    await log.close();
    await (await openTestLog({ fileSystem })).log.close();
  });

  it('releases the directory when opening fails', async () => {
    const fileSystem = new MemoryFileSystem();
    fileSystem.crashAtCall = 3;
    const error = await openTestLog({ fileSystem }).catch((reason: LogError) => reason);
    expect(error).to.have.property('code', 'io');
    fileSystem.crashAtCall = Number.POSITIVE_INFINITY;
    await (await openTestLog({ fileSystem })).log.close();
  });
});

describe('group commit', function () {
  this.timeout(60_000);

  async function openQuiet() {
    const fileSystem = new MemoryFileSystem();
    const { log } = await openTestLog({ fileSystem, segmentBytes: megabyte });
    fileSystem.calls.length = 0;
    return { fileSystem, log };
  }

  it('makes 100 batches of one turn durable with one write and one fdatasync', async () => {
    const { fileSystem, log } = await openQuiet();
    const order: number[] = [];
    const all = Array.from({ length: 100 }, (_, at) =>
      appendDurably(log, entriesBatch(at + 1, 1)).then(() => order.push(at)),
    );
    await Promise.all(all);
    expect(fileSystem.count('write')).to.equal(1);
    expect(fileSystem.count('syncData')).to.equal(1);
    expect(order).to.deep.equal(Array.from({ length: 100 }, (_, at) => at));
    await log.close();
  });

  it('makes all that is queued while an fdatasync is in flight the next group', async () => {
    const { fileSystem, log } = await openQuiet();
    const held = holdSyncs(fileSystem);
    const first = appendDurably(log, entriesBatch(1, 1));
    await held.reached;
    const later: Promise<void>[] = [];
    for (let index = 2; index < 50; index += 1) {
      later.push(appendDurably(log, entriesBatch(index, 1)));
      if (index % 10 === 0) await turn();
    }
    expect(fileSystem.count('write')).to.equal(1);
    held.release();
    await Promise.all([first, ...later]);
    expect(fileSystem.count('write')).to.equal(2);
    expect(fileSystem.count('syncData')).to.equal(2);
    await log.close();
  });

  it('acknowledges nothing before the fdatasync has returned', async () => {
    const { fileSystem, log } = await openQuiet();
    const held = holdSyncs(fileSystem);
    let isDurable = false;
    log.append(entriesBatch(1, 1), () => {
      isDurable = true;
    });
    await held.reached;
    await turn();
    expect(isDurable).to.equal(false);
    held.release();
    await log.close();
    expect(isDurable).to.equal(true);
  });

  it('lets a callback append more', async () => {
    const { log } = await openQuiet();
    await new Promise<void>((resolve) => {
      log.append(entriesBatch(1, 1), () => log.append(entriesBatch(2, 1), resolve));
    });
    await log.close();
  });

  it('never forgets a batch that comes just when the last one is finished', async () => {
    const { log } = await openQuiet();
    for (let turns = 0; turns < 30; turns += 1) {
      await appendDurably(log, { hardState: null, truncateFrom: null, entries: [] });
      for (let count = 0; count < turns; count += 1) await Promise.resolve();
      await appendDurably(log, { hardState: null, truncateFrom: null, entries: [] });
    }
    await log.close();
  });

  it('splits what would make one write too long, keeping the order', async () => {
    const { fileSystem, log } = await openQuiet();
    const order: number[] = [];
    for (let index = 1; index <= 8; index += 1) {
      log.append(entriesBatch(index, 1, megabyte / 8), () => order.push(index));
    }
    await log.close();
    expect(order).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(fileSystem.count('write')).to.be.greaterThan(4);
  });

  it('prepares the next segment in the background, without holding up a write', async () => {
    const { fileSystem, log } = await openQuiet();
    let release = () => {};
    fileSystem.intercept = ({ operation }) => {
      if (operation !== 'create') return;
      return new Promise((resolve) => {
        release = resolve;
      });
    };
    await appendDurably(log, entriesBatch(1, 3, 200_000));
    await appendDurably(log, entriesBatch(4, 1));
    expect(fileSystem.paths()).to.have.lengthOf(1);
    release();
    await log.close();
  });

  it('tries once more in the foreground when the preparation has failed', async () => {
    const { fileSystem, log } = await openQuiet();
    let failures = 0;
    fileSystem.intercept = ({ operation }) => {
      if (operation !== 'sync' || failures > 0) return;
      failures += 1;
      throw new Error('EIO');
    };
    for (let index = 1; index <= 8; index += 1) await appendDurably(log, entriesBatch(index, 1, 200_000));
    expect(failures).to.equal(1);
    expect(fileSystem.paths().length).to.be.greaterThan(1);
    await log.close();
  });
});

describe('close', function () {
  this.timeout(60_000);

  it('waits for what is queued', async () => {
    const fileSystem = new MemoryFileSystem();
    const { log } = await openTestLog({ fileSystem });
    let durable = 0;
    for (let index = 1; index <= 20; index += 1)
      log.append(entriesBatch(index, 1, 300), () => (durable += 1));
    await log.close();
    expect(durable).to.equal(20);
    const { log: again, recovered } = await openTestLog({ fileSystem });
    expect(recovered.entries).to.have.lengthOf(20);
    await again.close();
  });

  it('may be called twice, and refuses what comes after', async () => {
    const { log } = await openTestLog({ fileSystem: new MemoryFileSystem() });
    await Promise.all([log.close(), log.close()]);
    await log[Symbol.asyncDispose]();
    expect(() => log.append(entriesBatch(1, 1), () => {}))
      .to.throw()
      .with.property('code', 'closed');
  });
});
