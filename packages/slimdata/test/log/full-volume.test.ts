import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { createDiskFileSystem } from '../../src/log/disk-file-system.ts';
import type { FileSystem } from '../../src/log/file-system.ts';
import type { LogError } from '../../src/log/log-error.ts';
import type { LogSpace, LogStore } from '../../src/log/log-store.ts';
import { appendDurably, entriesBatch, openTestLog, silentLogger } from './log-history.ts';
import { ManualTimer } from './manual-timer.ts';
import { MemoryFileSystem } from './memory-file-system.ts';

const segmentBytes = 64 * 1024;
const entryBytes = 4000;

/** A small volume of its own, on which other files can take the room. */
interface Volume {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** Takes all room but for so much. */
  occupy(bytesLeft: number): Promise<void>;
  /** Takes all names that a volume can hold, as a volume does that is full of small files. */
  occupyNames(): Promise<void>;
  /** Gives back what was taken. */
  free(): Promise<void>;
  readonly close: () => void;
}

function mount(at: string): boolean {
  const options = ['-t', 'tmpfs', '-o', 'size=512k,nr_inodes=40', 'tmpfs', at];
  return spawnSync('/bin/mount', options, { stdio: 'ignore' }).status === 0;
}

function unmount(at: string): void {
  const { status, stderr } = spawnSync('/bin/umount', [at], { encoding: 'utf8' });
  expect(status, stderr).to.equal(0);
}

/** Root in a container may lack the right to mount, so trying is the only way to know. */
function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const at = mkdtempSync(join(tmpdir(), 'slimdata-mount-'));
  const isMounted = mount(at);
  if (isMounted) unmount(at);
  rmSync(at, { recursive: true });
  return isMounted;
}

function openTmpfs(): Volume {
  const root = mkdtempSync(join(tmpdir(), 'slimdata-full-'));
  if (!mount(root)) throw new Error(`cannot mount a tmpfs at "${root}"`);
  const fillers = join(root, 'fillers');
  const close = () => {
    unmount(root);
    rmSync(root, { recursive: true });
  };
  return {
    fileSystem: createDiskFileSystem(silentLogger, randomBytes),
    directory: join(root, 'log'),
    occupy: async (bytesLeft) => {
      await mkdir(fillers, { recursive: true });
      const { bavail, bsize } = await statfs(root);
      await writeFile(join(fillers, 'bytes'), Buffer.alloc(bavail * bsize - bytesLeft));
    },
    occupyNames: async () => {
      await mkdir(fillers, { recursive: true });
      const { ffree } = await statfs(root);
      for (let number = 0; number < ffree; number += 1) await writeFile(join(fillers, `name-${number}`), '');
    },
    free: () => rm(fillers, { recursive: true }),
    close,
  };
}

function openMemory(): Volume {
  const fileSystem = new MemoryFileSystem();
  const used = () => fileSystem.paths().reduce((sum, path) => sum + fileSystem.get(path).length, 0);
  return {
    fileSystem,
    directory: '/log',
    occupy: async (bytesLeft) => {
      fileSystem.capacityBytes = used() + bytesLeft;
    },
    occupyNames: async () => {
      fileSystem.intercept = ({ operation }) => {
        if (operation === 'create') throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
      };
    },
    free: async () => {
      fileSystem.capacityBytes = Number.POSITIVE_INFINITY;
      fileSystem.intercept = null;
    },
    close: () => {},
  };
}

const isReal = canMount();
const kind = isReal
  ? 'a real tmpfs of 512 KiB'
  : 'a volume in memory only (no right to mount a real one here)';

describe(`a log on ${kind}`, function () {
  this.timeout(60_000);

  let volume: Volume;
  let timer = new ManualTimer();
  let spaces: LogSpace[] = [];
  let errors: Error[] = [];
  let onSpace: (space: LogSpace) => void = () => {};

  beforeEach(() => {
    volume = isReal ? openTmpfs() : openMemory();
    timer = new ManualTimer();
    spaces = [];
    errors = [];
  });

  afterEach(() => volume.close());

  async function open() {
    const { directory, fileSystem } = volume;
    return openTestLog({
      directory,
      fileSystem,
      segmentBytes,
      randomBytes,
      after: timer.after,
      onSpace: (space) => {
        spaces.push(space);
        onSpace(space);
      },
      onFatal: (error) => errors.push(error),
    });
  }

  function nextSpace(): Promise<LogSpace> {
    return new Promise((resolve) => {
      onSpace = resolve;
    });
  }

  /** Appends entries of one batch each until the log says that it is full; returns all of them. */
  async function appendUntilFull(log: LogStore, durable: number[]): Promise<number> {
    const full = nextSpace();
    let index = 1;
    while (spaces.length === 0) {
      const mine = index++;
      const acknowledged = appendDurably(log, entriesBatch(mine, 1, entryBytes)).then(() =>
        durable.push(mine),
      );
      await Promise.race([acknowledged, full]);
    }
    for (let count = 0; count < 20; count += 1) {
      const mine = index++;
      log.append(entriesBatch(mine, 1, entryBytes), () => durable.push(mine));
    }
    return index - 1;
  }

  async function expectAll(log: LogStore & AsyncDisposable, durable: number[], last: number): Promise<void> {
    await appendDurably(log, entriesBatch(last + 1, 1));
    const expected = Array.from({ length: last }, (_, offset) => offset + 1);
    expect(durable).to.deep.equal(expected);
    expect(spaces).to.deep.equal(['full', 'ok']);
    expect(errors).to.deep.equal([]);
    await log.close();
    const { log: again, recovered } = await open();
    expect(recovered.entries.at(-1)?.index).to.equal(last + 1);
    await again.close();
  }

  for (const [what, occupy] of [
    ['bytes', () => volume.occupy(segmentBytes / 2)],
    ['names', () => volume.occupyNames()],
  ] as const) {
    it(`holds what comes when there are no ${what} left, and goes on by itself when there are`, async () => {
      const { log } = await open();
      await appendDurably(log, entriesBatch(1, 0));
      await occupy();
      const durable: number[] = [];
      const last = await appendUntilFull(log, durable);
      expect(spaces).to.deep.equal(['full']);
      expect(durable.length).to.be.below(last);
      const names = await volume.fileSystem.list(volume.directory);
      expect(names.filter((name) => name.endsWith('.new'))).to.deep.equal([]);
      await volume.free();
      const ok = nextSpace();
      timer.fire();
      expect(await ok).to.equal('ok');
      await expectAll(log, durable, last);
    });
  }

  it('makes its own room by removing old segments', async () => {
    const { log } = await open();
    const durable: number[] = [];
    await volume.occupy(2.5 * segmentBytes);
    const last = await appendUntilFull(log, durable);
    const ok = nextSpace();
    log.removeBefore(durable.at(-1) ?? 0);
    expect(await ok).to.equal('ok');
    await expectAll(log, durable, last);
  });

  it('cannot be begun without room, and can later', async () => {
    await volume.occupy(segmentBytes / 2);
    const error = await open().catch((reason: LogError) => reason);
    expect(error).to.have.property('code', 'disk_full');
    await volume.free();
    const { log } = await open();
    await appendDurably(log, entriesBatch(1, 1));
    await log.close();
  });
});
