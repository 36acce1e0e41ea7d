import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { createDiskFileSystem } from '../../src/log/disk-file-system.ts';
import { inspectLog } from '../../src/log/inspect-log.ts';
import { LogError } from '../../src/log/log-error.ts';
import type { LogReport } from '../../src/log/log-report.ts';
import {
  appendDurably,
  buildHistory,
  createEntry,
  entriesBatch,
  openTestLog,
  playHistory,
  silentLogger,
  steps,
} from './log-history.ts';
import { MemoryFileSystem, type Operation } from './memory-file-system.ts';

/** Room for five groups of one block, of which each entry of 400 bytes takes one. */
const segmentBytes = 4096;
const changing: readonly Operation[] = ['create', 'open', 'write', 'sync', 'syncData', 'rename', 'remove'];

/** Three segments, the first of which holds entries 1 to 4, the second 5 to 9; as a kill leaves them. */
async function writeLog(last = 13): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem();
  const { log } = await openTestLog({ fileSystem, segmentBytes });
  const hardState = { term: 1, votedFor: 'slimfaas-1' };
  await appendDurably(log, { hardState, truncateFrom: null, entries: [] });
  for (let index = 1; index <= last; index += 1) await appendDurably(log, entriesBatch(index, 1, 400));
  // The next segment is being prepared.
  while (fileSystem.paths().some((path) => path.endsWith('.new'))) await new Promise(setImmediate);
  const killed = fileSystem.clone();
  await log.close();
  return killed;
}

/** What opening says: null = it opens. */
async function refusalOf(fileSystem: MemoryFileSystem): Promise<LogError | null> {
  try {
    await (await openTestLog({ fileSystem: fileSystem.clone(), segmentBytes })).log.close();
    return null;
  } catch (error) {
    if (error instanceof LogError) return error;
    throw error;
  }
}

describe('inspectLog', function () {
  this.timeout(60_000);

  it('tells of each segment which entries, terms and bytes it holds', async () => {
    const report = await inspectLog('/log', await writeLog());
    expect(report).to.deep.include({
      directory: '/log',
      holder: null,
      verdict: 'sound',
      diskId: 'd1'.repeat(16),
      hardState: { term: 1, votedFor: 'slimfaas-1' },
      base: { index: 0, term: 0 },
      last: { index: 13, term: 1 },
      torn: [],
      leftovers: [],
      damage: [],
    });
    const facts = report.segments.map(({ file, state, bytesUsed, before, first, last }) => {
      return [file, state, bytesUsed, before?.index, first?.index, last?.index];
    });
    expect(facts).to.deep.equal([
      ['00000001.wal', 'finished', 512 * 7, 0, 1, 4],
      ['00000002.wal', 'finished', 512 * 7, 4, 5, 9],
      ['00000003.wal', 'open', 512 * 5, 9, 10, 13],
      ['00000004.wal', 'blank', 0, undefined, undefined, undefined],
    ]);
    expect(report.segments[0]?.last).to.deep.equal({ index: 4, term: 1 });
  });

  it('is plain data', async () => {
    const report = await inspectLog('/log', await writeLog());
    expect(JSON.parse(JSON.stringify(report))).to.deep.equal(report);
  });

  it('agrees with the start of a member about every history, and changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(steps({ entryBytesMax: 700, batchesMax: 15, isCompacted: true }), async (list) => {
        const fileSystem = new MemoryFileSystem();
        const { log } = await openTestLog({ fileSystem });
        await playHistory(log, buildHistory(list));
        const killed = fileSystem.clone();
        await log.close();
        for (const disk of [killed, fileSystem]) {
          disk.calls.length = 0;
          const report = await inspectLog('/log', disk);
          for (const operation of changing) {
            if (operation !== 'open') expect(disk.count(operation), operation).to.equal(0);
          }
          const { log: again, recovered } = await openTestLog({ fileSystem: disk });
          await again.close();
          expect(report.verdict).to.equal('sound');
          expect(report.base).to.deep.equal(recovered.base);
          expect(report.hardState).to.deep.equal(recovered.hardState);
          expect(report.last.index).to.equal(recovered.base.index + recovered.entries.length);
          expect(report.last.term).to.equal(recovered.entries.at(-1)?.term ?? recovered.base.term);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('says which bytes are torn', async () => {
    const fileSystem = await writeLog(11);
    const { log } = await openTestLog({ fileSystem, segmentBytes });
    await appendDurably(log, entriesBatch(12, 1, 700));
    const killed = fileSystem.clone();
    await log.close();
    killed.get('/log/00000003.wal').fill(0, 512 * 4, 512 * 5);
    const report = await inspectLog('/log', killed);
    expect(report.verdict).to.equal('torn');
    expect(report.torn).to.deep.equal([{ file: '00000003.wal', offset: 512 * 3, bytes: 512 }]);
    expect(report.last.index).to.equal(11);
  });

  it('says what is left over, and what the log begins with', async () => {
    const fileSystem = await writeLog(11);
    const { log } = await openTestLog({ fileSystem, segmentBytes });
    log.removeBefore(9);
    await log.close();
    for (const { path, bytes } of fileSystem.removed) if (path.endsWith('.wal')) fileSystem.put(path, bytes);
    fileSystem.put('/log/00000009.wal.new', Buffer.alloc(10));
    const report = await inspectLog('/log', fileSystem);
    expect(report.verdict).to.equal('sound');
    expect(report.base).to.deep.equal({ index: 9, term: 1 });
    expect(report.segments.slice(0, 3).map(({ state }) => state)).to.deep.equal([
      'removed',
      'removed',
      'open',
    ]);
    expect(report.leftovers).to.deep.equal(['00000001.wal', '00000002.wal', '00000009.wal.new']);
  });

  it('finds an empty directory, and one whose formatting was cut off, empty', async () => {
    const fileSystem = new MemoryFileSystem();
    expect(await inspectLog('/log', fileSystem)).to.deep.include({
      verdict: 'empty',
      diskId: null,
      segments: [],
    });
    fileSystem.put('/log/00000001.wal', Buffer.alloc(segmentBytes));
    const report = await inspectLog('/log', fileSystem);
    expect(report.verdict).to.equal('empty');
    expect(report.segments[0]?.state).to.equal('blank');
  });
});

describe('inspectLog on a damaged directory', function () {
  this.timeout(60_000);

  async function inspectDamaged(damage: (fileSystem: MemoryFileSystem) => void): Promise<LogReport> {
    const fileSystem = await writeLog();
    damage(fileSystem);
    const refusal = await refusalOf(fileSystem);
    const report = await inspectLog('/log', fileSystem);
    expect(report.verdict).to.equal('damaged');
    const places = report.damage.map(({ file, offset }) => [`/log/${file}`, offset]);
    expect(places, 'the place that a start names').to.deep.include([
      refusal?.place?.path,
      refusal?.place?.offset,
    ]);
    expect(JSON.parse(JSON.stringify(report))).to.deep.equal(report);
    return report;
  }

  it('names file, offset, meaning and remedy of a changed byte, and reads up to there and on behind it', async () => {
    const report = await inspectDamaged((fileSystem) => {
      const bytes = fileSystem.get('/log/00000002.wal');
      bytes[512 * 3 + 20] = (bytes[512 * 3 + 20] ?? 0) ^ 1;
    });
    expect(report.damage).to.have.lengthOf(1);
    expect(report.damage[0]).to.deep.include({ file: '00000002.wal', offset: 512 * 3, code: 'corrupt' });
    expect(report.damage[0]?.meaning).to.match(
      /a block of group 9 was written here, but its content has changed/,
    );
    expect(report.damage[0]?.remedy).to.match(
      /keep a copy of the directory, empty it and start this member again/,
    );
    expect(report.last, 'as read up to the damage').to.deep.equal({ index: 6, term: 1 });
    const [, second, third] = report.segments;
    expect(second).to.deep.include({ state: 'damaged', bytesUsed: 512 * 3, last: { index: 6, term: 1 } });
    expect(third).to.deep.include({ state: 'open', last: { index: 13, term: 1 } });
  });

  it('tells of all damaged segments, oldest first', async () => {
    const report = await inspectDamaged((fileSystem) => {
      for (const path of ['/log/00000003.wal', '/log/00000001.wal']) fileSystem.get(path).fill(7, 600, 610);
    });
    const places = report.damage.map(({ file, offset }) => [file, offset]);
    expect(places).to.deep.equal([
      ['00000001.wal', 512],
      ['00000003.wal', 512],
    ]);
  });

  it('names a missing segment', async () => {
    const report = await inspectDamaged((fileSystem) => fileSystem.delete('/log/00000002.wal'));
    expect(report.damage).to.have.lengthOf(1);
    expect(report.segments.map(({ number }) => number)).to.deep.equal([1, 3, 4]);
  });

  it('names a version that it does not know, and what to do then', async () => {
    const report = await inspectDamaged((fileSystem) =>
      fileSystem.get('/log/00000003.wal').writeUInt32LE(9, 8),
    );
    expect(report.damage[0]).to.deep.include({ file: '00000003.wal', offset: 0, code: 'unknown_version' });
    expect(report.damage[0]?.remedy).to.match(/Start this member with the version that wrote it/);
  });

  it('names a segment that was cut off, or is not readable', async () => {
    const cut = await inspectDamaged((fileSystem) => {
      fileSystem.put('/log/00000002.wal', fileSystem.get('/log/00000002.wal').subarray(0, 1000));
    });
    expect(cut.damage[0]?.meaning).to.match(/the file has 1000 bytes/);
    const fileSystem = await writeLog();
    fileSystem.intercept = ({ operation, path }) => {
      if (operation === 'read' && path.includes('002')) throw new Error('EIO: i/o error');
    };
    const report = await inspectLog('/log', fileSystem);
    expect(report.verdict).to.equal('damaged');
    const unreadable = report.damage.find(({ file }) => file === '00000002.wal');
    expect(unreadable).to.deep.include({ code: 'unreadable', offset: 0 });
    expect(unreadable?.remedy).to.match(/Check the permissions and the disk/);
  });

  it('never fails, and agrees with the start of a member, whichever byte has changed', async () => {
    const fileSystem = await writeLog();
    let damaged = 0;
    for (const path of fileSystem.paths()) {
      for (let offset = 0; offset < segmentBytes; offset += 7) {
        const copy = fileSystem.clone();
        const bytes = copy.get(path);
        bytes[offset] = (bytes[offset] ?? 0) ^ 0x41;
        const refusal = await refusalOf(copy);
        const report = await inspectLog('/log', copy);
        expect(report.verdict === 'damaged', `byte ${offset} of ${path}`).to.equal(refusal !== null);
        expect(report.damage.length > 0).to.equal(refusal !== null);
        damaged += refusal === null ? 0 : 1;
      }
    }
    expect(damaged).to.be.greaterThan(1000);
  });
});

describe('inspectLog on a real directory', function () {
  this.timeout(60_000);

  let directory = '';

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'slimdata-inspect-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  function open() {
    const fileSystem = createDiskFileSystem(silentLogger, randomBytes);
    return openTestLog({ fileSystem, directory, segmentBytes, randomBytes });
  }

  async function contents(): Promise<string[]> {
    const names = (await readdir(directory)).sort();
    const facts = names.map(async (name) => {
      const { mtimeNs, size } = await stat(join(directory, name), { bigint: true });
      return `${name} ${size} ${mtimeNs}`;
    });
    return Promise.all(facts);
  }

  it('leaves every file as it is, also when it is damaged', async () => {
    const { log } = await open();
    for (let index = 1; index <= 12; index += 1) await appendDurably(log, entriesBatch(index, 1, 400));
    await log.close();
    const path = join(directory, '00000001.wal');
    const bytes = await readFile(path);
    bytes[700] = (bytes[700] ?? 0) ^ 1;
    await writeFile(path, bytes);
    const before = await contents();
    const report = await inspectLog(directory);
    expect(report).to.deep.include({ verdict: 'damaged', holder: null });
    expect(report.damage[0]).to.deep.include({ file: '00000001.wal', offset: 512 });
    expect(await contents()).to.deep.equal(before);
  });

  it('says who has the log open, and goes on without the lock', async () => {
    const { log } = await open();
    await appendDurably(log, { hardState: null, truncateFrom: null, entries: [createEntry(1, 1, 10)] });
    const report = await inspectLog(directory);
    expect(report).to.deep.include({ holder: `process ${process.pid}`, last: { index: 1, term: 1 } });
    await appendDurably(log, entriesBatch(2, 1));
    await log.close();
    expect((await inspectLog(directory)).holder).to.equal(null);
  });

  it('does not take what a killed process has left for a holder', async () => {
    const url = new URL('../../src/log/directory-lock.js', import.meta.url).href;
    const script = `
      import { randomBytes } from 'node:crypto';
      import { openDirectoryLock } from ${JSON.stringify(url)};
      const logger = { info() {}, warn() {}, error() {} };
      await openDirectoryLock({ directory: ${JSON.stringify(directory)}, logger, randomBytes });
      setInterval(() => {}, 1 << 30);
      process.stdout.write('held');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    expect((await inspectLog(directory)).holder).to.equal(`process ${child.pid}`);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    expect((await inspectLog(directory)).holder).to.equal(null);
    expect(await readdir(directory), 'not even the dead lock is removed').to.have.lengthOf(1);
  });

  it('refuses a directory that is not there, naming it', async () => {
    const missing = join(directory, 'missing');
    const error = await inspectLog(missing).catch((reason: LogError) => reason);
    expect(error).to.have.property('code', 'io');
    expect(error).to.have.property('message').that.includes(`"${missing}" cannot be read`);
  });
});
