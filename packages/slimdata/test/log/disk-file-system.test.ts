import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { createDiskFileSystem } from '../../src/log/disk-file-system.ts';
import type { LogError } from '../../src/log/log-error.ts';
import {
  appendDurably,
  buildHistory,
  describeState,
  entriesBatch,
  openTestLog,
  silentLogger,
  steps,
} from './log-history.ts';

const sourceUrl = new URL('../../src/log/', import.meta.url).href;

describe('createDiskFileSystem', function () {
  this.timeout(60_000);

  const fileSystem = createDiskFileSystem(silentLogger, randomBytes);
  let directory = '';

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'slimdata-log-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  function openLog(at = directory, segmentBytes = 4096) {
    return openTestLog({ fileSystem, directory: at, segmentBytes, randomBytes });
  }

  it('makes directories with their parents', async () => {
    const deep = join(directory, 'a', 'b', 'c');
    await fileSystem.makeDirectory(deep);
    await fileSystem.makeDirectory(deep);
    expect((await stat(deep)).isDirectory()).to.equal(true);
  });

  it('reads and writes at offsets, and reads less only at the end', async () => {
    const file = await fileSystem.create(join(directory, 'file'));
    await file.write(Buffer.from('abcdef'), 3);
    await file.syncData();
    const into = Buffer.alloc(10);
    expect(await file.read(into, 4)).to.equal(5);
    expect(into.toString('latin1', 0, 5)).to.equal('bcdef');
    expect(await file.size()).to.equal(9);
    await file.close();
  });

  it('keeps a log through restarts, in preallocated segments', async () => {
    await fc.assert(
      fc.asyncProperty(steps({ entryBytesMax: 3000, batchesMax: 8 }), async (list) => {
        const at = await mkdtemp(join(directory, 'run-'));
        const { batches, states } = buildHistory(list);
        const { log } = await openLog(at);
        await Promise.all(batches.map((batch) => appendDurably(log, batch)));
        await log.close();
        const { log: again, recovered } = await openLog(at);
        expect(describeState(recovered)).to.equal(describeState(states.at(-1) ?? recovered));
        await again.close();
        for (const name of await readdir(at)) {
          expect(name).to.match(/^\d{8}\.wal$/);
          expect((await stat(join(at, name))).size % 512).to.equal(0);
        }
      }),
      { numRuns: 15 },
    );
  });

  it('refuses a changed byte in the newest acknowledged group, naming file, offset and remedy', async () => {
    const { log } = await openLog();
    await appendDurably(log, entriesBatch(1, 1, 100));
    await log.close();
    const path = join(directory, '00000001.wal');
    const bytes = await readFile(path);
    bytes[600] = (bytes[600] ?? 0) ^ 1;
    await writeFile(path, bytes);
    const error = await openLog().catch((reason: LogError) => reason);
    expect(error).to.have.property('code', 'corrupt');
    expect(error)
      .to.have.property('message')
      .that.includes(`Log segment "${path}" is damaged at byte 512`)
      .and.includes('keep a copy of the directory, empty it and start this member again');
  });

  it('removes what an interrupted preparation has left', async () => {
    await writeFile(join(directory, '00000001.wal.new'), 'half');
    const { log } = await openLog();
    expect(await readdir(directory))
      .to.include('00000001.wal')
      .and.not.include('00000001.wal.new');
    await log.close();
  });

  it('keeps every acknowledged batch that is needed, of a process that is killed, also while it removes old ones', async () => {
    const script = `
      import { randomBytes } from 'node:crypto';
      import { createDiskFileSystem } from ${JSON.stringify(`${sourceUrl}disk-file-system.js`)};
      import { openWriteAheadLog } from ${JSON.stringify(`${sourceUrl}write-ahead-log.js`)};
      const logger = { info() {}, warn() {}, error() {} };
      const fileSystem = createDiskFileSystem(logger, randomBytes);
      const { log, recovered } = await openWriteAheadLog({
        directory: ${JSON.stringify(directory)}, fileSystem, logger, randomBytes, segmentBytes: 16384,
        onFatal: (error) => { throw error; },
      });
      let index = recovered.base.index + recovered.entries.length;
      process.stdout.write('open ' + index + '\\n');
      const next = () => {
        index += 1;
        const entry = { index, term: 1, kind: 1, payload: Buffer.alloc(index % 1000, index % 256) };
        const mine = index;
        log.append({ hardState: null, truncateFrom: null, entries: [entry] }, () => {
          process.stdout.write(mine + '\\n');
          if (mine % 10 === 0) log.removeBefore(mine - 5);
          next();
        });
      };
      for (let count = 0; count < 8; count += 1) next();`;
    let acknowledged = 0;
    for (const lines of [1, 40, 150]) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = once(child, 'exit');
      let seen = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        const [word, opened] = line.split(' ');
        if (word === 'open') expect(Number(opened)).to.be.at.least(acknowledged);
        else acknowledged = Number(word);
        seen += 1;
        if (seen === lines) child.kill('SIGKILL');
      }
      await ended;
    }
    const { log, recovered } = await openLog();
    expect(acknowledged).to.be.greaterThan(150);
    const { base, entries } = recovered;
    expect(base.index).to.be.greaterThan(50).and.to.be.below(acknowledged);
    expect(base.index + entries.length).to.be.at.least(acknowledged);
    expect((await readdir(directory)).length).to.be.below(10);
    for (const { index, payload } of entries) {
      expect(Buffer.alloc(index % 1000, index % 256).equals(payload)).to.equal(true);
    }
    await log.close();
  });
});
