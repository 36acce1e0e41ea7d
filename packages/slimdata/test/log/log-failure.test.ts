import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { LogError } from '../../src/log/log-error.ts';
import type { LogStore } from '../../src/log/log-store.ts';
import { batchBytesMax } from '../../src/log/write-ahead-log.ts';
import {
  appendDurably,
  createEntry,
  createRecordingLogger,
  entriesBatch,
  openTestLog,
} from './log-history.ts';
import { MemoryFileSystem } from './memory-file-system.ts';

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('a failing disk', function () {
  this.timeout(60_000);

  async function openFailing(fail: (fileSystem: MemoryFileSystem) => void) {
    const fileSystem = new MemoryFileSystem();
    const errors: Error[] = [];
    const { logger } = createRecordingLogger();
    const { log } = await openTestLog({ fileSystem, logger, onFatal: (error) => errors.push(error) });
    fail(fileSystem);
    return { fileSystem, log, errors };
  }

  function failOn(operation: string, code: string) {
    return (fileSystem: MemoryFileSystem) => {
      fileSystem.intercept = (call) => {
        if (call.operation === operation) throw Object.assign(new Error(code), { code });
      };
    };
  }

  async function appendSome(log: LogStore): Promise<number> {
    let durable = 0;
    for (let index = 1; index <= 5; index += 1) log.append(entriesBatch(index, 1), () => (durable += 1));
    await turn();
    await turn();
    for (let index = 6; index <= 8; index += 1) log.append(entriesBatch(index, 1), () => (durable += 1));
    await turn();
    await log.close();
    return durable;
  }

  for (const operation of ['write', 'syncData']) {
    it(`is fatal once, and nothing is acknowledged or written afterwards, when a ${operation} fails`, async () => {
      const { fileSystem, log, errors } = await openFailing(failOn(operation, 'EIO'));
      const before = fileSystem.count(operation === 'write' ? 'write' : 'syncData');
      expect(await appendSome(log)).to.equal(0);
      expect(errors).to.have.lengthOf(1);
      expect(errors[0]).to.have.property('code', 'io');
      expect(errors[0]?.message).to.match(/does not try again/);
      expect(fileSystem.count(operation === 'write' ? 'write' : 'syncData')).to.equal(before + 1);
    });
  }

  it('says that the disk is full', async () => {
    const { log, errors } = await openFailing(failOn('write', 'ENOSPC'));
    expect(await appendSome(log)).to.equal(0);
    expect(errors[0]).to.have.property('code', 'disk_full');
    expect(errors[0]?.message).to.match(/disk is full .*Free space/);
  });

  it('is fatal when the next segment cannot be made for another reason than a full disk', async () => {
    const { log, errors } = await openFailing(failOn('sync', 'EIO'));
    for (let index = 1; index <= 9; index += 1) log.append(entriesBatch(index, 1, 400), () => {});
    await log.close();
    expect(errors.map((error) => (error as LogError).code)).to.deep.equal(['io']);
  });

  it('hands on what a callback throws, and tells no later one', async () => {
    const { log, errors } = await openFailing(() => {});
    let later = 0;
    log.append(entriesBatch(1, 1), () => {
      throw new Error('invariant broken');
    });
    log.append(entriesBatch(2, 1), () => (later += 1));
    await log.close();
    expect(errors.map(({ message }) => message)).to.deep.equal(['invariant broken']);
    expect(later).to.equal(0);
  });

  it('refuses a batch beyond its bound at once, without harm', async () => {
    const { log, errors } = await openFailing(() => {});
    const entry = { ...createEntry(1, 1, 0), payload: new Uint8Array(batchBytesMax) };
    expect(() => log.append({ hardState: null, truncateFrom: null, entries: [entry] }, () => {}))
      .to.throw(/exceeds the 33554432/)
      .with.property('code', 'too_large');
    await appendDurably(log, entriesBatch(1, 1));
    await log.close();
    expect(errors).to.deep.equal([]);
  });

  it('gives up when the disk falls too far behind', async () => {
    const fileSystem = new MemoryFileSystem();
    const errors: Error[] = [];
    const { log } = await openTestLog({
      fileSystem,
      queueBytesMax: 1000,
      onFatal: (error) => errors.push(error),
    });
    let durable = 0;
    for (let index = 1; index <= 4; index += 1) log.append(entriesBatch(index, 1, 300), () => (durable += 1));
    await log.close();
    expect(errors[0]).to.have.property('code', 'overloaded');
    expect(durable).to.equal(0);
  });
});
