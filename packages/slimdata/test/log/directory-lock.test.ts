import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { openDirectoryLock, openNamedLock } from '../../src/log/directory-lock.ts';
import type { LogError } from '../../src/log/log-error.ts';
import { createRecordingLogger, silentLogger } from './log-history.ts';

const moduleUrl = new URL('../../src/log/directory-lock.js', import.meta.url).href;

/** A process that takes the lock and says so; it lives until it is killed. */
async function startHolder(directory: string) {
  const script = `
    import { randomBytes } from 'node:crypto';
    import { openDirectoryLock } from ${JSON.stringify(moduleUrl)};
    const logger = { info() {}, warn() {}, error() {} };
    await openDirectoryLock({ directory: ${JSON.stringify(directory)}, logger, randomBytes });
    setInterval(() => {}, 1 << 30);
    process.stdout.write('held');`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  return {
    pid: holder.pid,
    signal: (name: NodeJS.Signals) => holder.kill(name),
    kill: async () => {
      const ended = once(holder, 'exit');
      holder.kill('SIGKILL');
      await ended;
    },
  };
}

describe('openDirectoryLock', function () {
  this.timeout(60_000);

  let directory = '';

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'slimdata-lock-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  function take(at = directory) {
    return openDirectoryLock({ directory: at, logger: silentLogger, randomBytes });
  }

  async function expectLocked(attempt: Promise<unknown>, message: RegExp): Promise<void> {
    const error = await attempt.then(
      () => null,
      (reason: LogError) => reason,
    );
    expect(error).to.have.property('code', 'locked');
    expect(error?.message).to.match(message);
  }

  it('lets one in, and the next one after it has left; leaves no file', async () => {
    const lock = await take();
    await expectLocked(take(), new RegExp(`in use by process ${process.pid}.*Two members must never share`));
    await expectLocked(take(), /in use/);
    await lock.close();
    await (await take()).close();
    expect(await readdir(directory)).to.deep.equal([]);
  });

  it('never lets in more than one of many who come at once', async () => {
    for (let round = 0; round < 20; round += 1) {
      const results = await Promise.allSettled(Array.from({ length: 5 }, () => take()));
      const locks = results.filter((result) => result.status === 'fulfilled');
      expect(locks.length).to.be.at.most(1);
      await Promise.all(locks.map(({ value }) => value.close()));
    }
    await (await take()).close();
  });

  it('holds against another process, also a stopped one, and ends with its death by SIGKILL', async () => {
    const holder = await startHolder(directory);
    try {
      await expectLocked(take(), new RegExp(`process ${holder.pid}`));
      holder.signal('SIGSTOP');
      await expectLocked(take(), new RegExp(`process ${holder.pid}`));
    } finally {
      await holder.kill();
    }
    expect(await readdir(directory)).to.have.lengthOf(1);
    const lock = await take();
    expect(await readdir(directory), 'the dead lock is removed').to.have.lengthOf(1);
    await expectLocked(take(), /in use/);
    await lock.close();
  });

  it('leaves other files alone', async () => {
    const name = `lock-1-${'0'.repeat(32)}.sock`;
    await writeFile(join(directory, name), '');
    await writeFile(join(directory, 'lock-mine.sock'), '');
    await (await take()).close();
    expect(await readdir(directory)).to.deep.equal(['lock-mine.sock']);
  });

  it('works below a path that is too long for a socket', async function () {
    if (process.platform !== 'linux') this.skip();
    const deep = join(directory, 'd'.repeat(200));
    await mkdir(deep);
    const lock = await take(deep);
    await expectLocked(take(deep), /in use/);
    await lock.close();
    await (await take(deep)).close();
    expect(await readdir(deep)).to.deep.equal([]);
  });

  it('falls back to a name kept by the kernel, and says so, where the directory cannot hold a socket', async function () {
    if (process.platform !== 'linux') this.skip();
    const { logger, events } = createRecordingLogger();
    const options = { directory: '/proc/self', logger, randomBytes };
    const lock = await openDirectoryLock(options);
    expect(events).to.deep.equal(['directory_lock_degraded']);
    await expectLocked(openDirectoryLock(options), /in use by another process/);
    await lock.close();
    await (await openDirectoryLock(options)).close();
  });

  it('keeps named locks of different directories apart', async () => {
    const other = join(directory, 'other');
    await mkdir(other);
    const locks = [await openNamedLock(directory), await openNamedLock(other)];
    for (const lock of locks) await lock.close();
  });
});
