import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { LogStore } from '../../src/log/log-store.ts';
import { segmentName } from '../../src/log/segment-name.ts';
import { removeSegments } from '../../src/log/segment-removal.ts';
import {
  appendDurably,
  createEntry,
  createRecordingLogger,
  entriesBatch,
  openTestLog,
  silentLogger,
} from './log-history.ts';
import { MemoryFileSystem } from './memory-file-system.ts';

/** Room for five groups of one block, of which each entry of 400 bytes takes one. */
const segmentBytes = 4096;
const entryBytes = 400;

function pathOf(number: number): string {
  return `/log/${segmentName(number)}`;
}

async function appendEntries(log: LogStore, first: number, last: number): Promise<void> {
  for (let index = first; index <= last; index += 1)
    await appendDurably(log, entriesBatch(index, 1, entryBytes));
}

/** Entries 1 to 5 in segment 1, 6 to 10 in segment 2, and so on. */
async function openFilled(last: number, fileSystem = new MemoryFileSystem()) {
  const { logger, events } = createRecordingLogger();
  const { log } = await openTestLog({ fileSystem, segmentBytes, logger });
  await appendEntries(log, 1, last);
  return { fileSystem, log, events };
}

async function recover(fileSystem: MemoryFileSystem) {
  const { log, recovered } = await openTestLog({ fileSystem, segmentBytes });
  await log.close();
  return recovered;
}

describe('removeBefore', function () {
  this.timeout(60_000);

  const cases: [number, number][] = [
    [0, 0],
    [4, 0],
    [5, 5],
    [6, 5],
    [9, 5],
    [10, 10],
    [13, 10],
  ];
  for (const [index, base] of cases) {
    it(`removes whole segments only: of 13 entries up to ${index}, those up to ${base}`, async () => {
      const { fileSystem, log } = await openFilled(13);
      log.removeBefore(index);
      await log.close();
      expect(fileSystem.paths().includes(pathOf(base / 5 + 1))).to.equal(true);
      for (let number = 1; number <= base / 5; number += 1) {
        expect(fileSystem.paths(), `segment ${number}`).not.to.include(pathOf(number));
      }
      const recovered = await recover(fileSystem);
      expect(recovered.base).to.deep.equal({ index: base, term: base === 0 ? 0 : 1 });
      expect(recovered.entries).to.deep.equal(entriesBatch(base + 1, 13 - base, entryBytes).entries);
    });
  }

  it('keeps the number of files small for ever, also over restarts', async () => {
    const fileSystem = new MemoryFileSystem();
    for (let round = 0; round < 10; round += 1) {
      const { log, recovered } = await openTestLog({ fileSystem, segmentBytes });
      const last = recovered.base.index + recovered.entries.length;
      for (let index = last + 1; index <= last + 23; index += 1) {
        await appendEntries(log, index, index);
        if (index > 7) log.removeBefore(index - 7);
      }
      await log.close();
      expect(fileSystem.paths().length).to.be.at.most(4);
    }
    expect((await recover(fileSystem)).base.index).to.be.at.least(215);
  });

  it('begins with what the hard state was, though its record is gone', async () => {
    const fileSystem = new MemoryFileSystem();
    const { log } = await openTestLog({ fileSystem, segmentBytes });
    const hardState = { term: 4, votedFor: 'slimfaas-2' };
    await appendDurably(log, { hardState, truncateFrom: null, entries: [createEntry(1, 4, 1)] });
    for (let index = 2; index <= 20; index += 1) {
      await appendDurably(log, { ...entriesBatch(1, 0), entries: [createEntry(index, 4, entryBytes)] });
    }
    log.removeBefore(20);
    await log.close();
    const recovered = await recover(fileSystem);
    expect(recovered.hardState).to.deep.equal(hardState);
    expect(recovered.base.term).to.equal(4);
    expect(recovered.base.index).to.be.greaterThan(10);
  });

  it('gives up durably before it deletes, the newest first and durably before the others', async () => {
    const { fileSystem, log } = await openFilled(17);
    fileSystem.calls.length = 0;
    log.removeBefore(16);
    await log.close();
    const calls = fileSystem.calls.map(({ operation, path }) => `${operation} ${path}`);
    const record = [`write ${pathOf(4)}`, `syncData ${pathOf(4)}`, `remove ${pathOf(3)}`];
    expect(calls.slice(0, 3)).to.deep.equal(record);
    // The closing log writes meanwhile.
    expect(calls.filter((call) => /^(remove .*wal|syncDirectory .*)$/.test(call))).to.deep.equal([
      `remove ${pathOf(3)}`,
      'syncDirectory /log',
      `remove ${pathOf(2)}`,
      `remove ${pathOf(1)}`,
      'syncDirectory /log',
    ]);
  });

  it('writes nothing when there is nothing to remove', async () => {
    const { fileSystem, log } = await openFilled(7);
    log.removeBefore(6);
    await appendEntries(log, 8, 8);
    fileSystem.calls.length = 0;
    log.removeBefore(6);
    log.removeBefore(2);
    await appendEntries(log, 9, 9);
    expect(fileSystem.count('write')).to.equal(1);
    await log.close();
  });

  it('does not hold up writes while it deletes', async () => {
    const { fileSystem, log } = await openFilled(12);
    let release = () => {};
    fileSystem.intercept = ({ operation }) => {
      if (operation !== 'remove') return;
      return new Promise((resolve) => {
        release = resolve;
      });
    };
    log.removeBefore(10);
    await appendEntries(log, 13, 13);
    expect(fileSystem.paths()).to.include(pathOf(2));
    fileSystem.intercept = null;
    release();
    await log.close();
    expect(fileSystem.paths()).not.to.include(pathOf(2));
  });

  it('goes on when a file cannot be deleted, says so, and tries again with the next call', async () => {
    const { fileSystem, log, events } = await openFilled(12);
    fileSystem.intercept = ({ operation }) => {
      if (operation === 'remove') throw Object.assign(new Error('EPERM'), { code: 'EPERM' });
    };
    log.removeBefore(10);
    await appendEntries(log, 13, 13);
    expect(events).to.include('log_segment_removal_failed');
    expect(fileSystem.paths()).to.include(pathOf(1));
    fileSystem.intercept = null;
    log.removeBefore(10);
    await log.close();
    expect(fileSystem.paths()).not.to.include(pathOf(1)).and.not.to.include(pathOf(2));
    expect(events).to.include('log_segments_removed');
  });

  it('is asked for only what is here and stays', async () => {
    const { log } = await openFilled(12);
    expect(() => log.removeBefore(13)).to.throw(/cannot remove up to 13/);
    expect(() => log.removeBefore(1.5)).to.throw();
    log.removeBefore(11);
    const truncation = { hardState: null, truncateFrom: 11, entries: [] };
    expect(() => log.append(truncation, () => {})).to.throw(/entry 11 cannot be replaced/);
    const durable = appendDurably(log, { ...truncation, truncateFrom: 12 });
    expect(() => log.removeBefore(12)).to.throw();
    await durable;
    await log.close();
    log.removeBefore(3);
  });

  it('never lets a truncation reach behind the base, also after a restart', async () => {
    const { fileSystem, log } = await openFilled(12);
    log.removeBefore(10);
    await log.close();
    const { log: again } = await openTestLog({ fileSystem, segmentBytes });
    expect(() => again.append({ hardState: null, truncateFrom: 10, entries: [] }, () => {})).to.throw(
      /cannot truncate from 10/,
    );
    await appendDurably(again, { ...entriesBatch(11, 1), truncateFrom: 11 });
    await again.close();
    expect((await recover(fileSystem)).entries.map(({ index }) => index)).to.deep.equal([11]);
  });
});

describe('removeSegments', function () {
  this.timeout(60_000);

  /**
   * Five segments of which the third cannot be read without the second, since its truncation reaches back; all below the
   * fifth are given up. Returns the disk, and the files that were deleted.
   */
  async function giveUpFour() {
    const { fileSystem, log } = await openFilled(11);
    await appendDurably(log, { ...entriesBatch(8, 1, entryBytes), truncateFrom: 8 });
    await appendEntries(log, 9, 20);
    log.removeBefore(19);
    await log.close();
    const files = fileSystem.removed.filter(({ path }) => path.endsWith('.wal'));
    expect(files.map(({ path }) => path)).to.deep.equal([4, 3, 2, 1].map(pathOf));
    return { fileSystem, files };
  }

  it('leaves, wherever it is cut off, what a start can read and clear away', async () => {
    const { fileSystem, files } = await giveUpFour();
    const expected = await recover(fileSystem.clone());
    for (let kept = 0; kept < 16; kept += 1) {
      // The newest goes first and durably: while it is there, all are.
      if ((kept & 1) === 1 && kept !== 15) continue;
      const copy = fileSystem.clone();
      for (const [at, { path, bytes }] of files.entries())
        if ((kept & (1 << at)) !== 0) copy.put(path, bytes);
      expect(await recover(copy), `kept ${kept}`).to.deep.equal(expected);
      for (const { path } of files) expect(copy.paths()).not.to.include(path);
    }
  });

  it('would otherwise leave what cannot be read', async () => {
    const { fileSystem, files } = await giveUpFour();
    for (const { path, bytes } of files.slice(0, 2)) fileSystem.put(path, bytes);
    const error = await recover(fileSystem).catch((reason: Error) => reason);
    expect(error).to.have.property('code', 'corrupt');
  });

  it('minds no file that is gone already, and hands on any other failure', async () => {
    const fileSystem = new MemoryFileSystem();
    fileSystem.put(pathOf(1), Buffer.alloc(1));
    const options = { directory: '/log', fileSystem, logger: silentLogger };
    await removeSegments(options, [3, 2, 1]);
    expect(fileSystem.paths()).to.deep.equal([]);
    await removeSegments(options, []);
    fileSystem.intercept = () => {
      throw new Error('EIO');
    };
    const error = await removeSegments(options, [1]).catch((reason: Error) => reason);
    expect(error).to.have.property('message', 'EIO');
  });

  it('refuses a log whose first needed segment is missing', async () => {
    const { fileSystem, log } = await openFilled(17);
    log.removeBefore(10);
    await log.close();
    fileSystem.delete(pathOf(3));
    const error = await recover(fileSystem).catch((reason: Error) => reason);
    expect(error).to.have.property('code', 'corrupt');
    expect(error)
      .to.have.property('message')
      .that.matches(/00000003\.wal" is damaged at byte 0: the file is missing/);
  });
});
