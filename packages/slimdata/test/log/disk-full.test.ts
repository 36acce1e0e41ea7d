import { expect } from 'chai';
import * as fc from 'fast-check';
import { describe, it } from 'mocha';
import type { LogError } from '../../src/log/log-error.ts';
import type { LogSpace, LogStore } from '../../src/log/log-store.ts';
import {
  appendDurably,
  createRecordingLogger,
  entriesBatch,
  type OpenOptions,
  openTestLog,
} from './log-history.ts';
import { ManualTimer } from './manual-timer.ts';
import { MemoryFileSystem, type Operation } from './memory-file-system.ts';

/** Room for thirteen groups of one block, of which each entry of 400 bytes takes one. */
const segmentBytes = 8192;

interface OpenLog {
  readonly fileSystem: MemoryFileSystem;
  readonly log: LogStore & AsyncDisposable;
  readonly timer: ManualTimer;
  /** What was reported, in order. */
  readonly spaces: LogSpace[];
  readonly errors: Error[];
  readonly events: string[];
}

async function openLog(
  fileSystem = new MemoryFileSystem(),
  more: Partial<OpenOptions> = {},
): Promise<OpenLog> {
  const timer = new ManualTimer();
  const spaces: LogSpace[] = [];
  const errors: Error[] = [];
  const { logger, events } = createRecordingLogger();
  const { log } = await openTestLog({
    fileSystem,
    segmentBytes,
    logger,
    after: timer.after,
    onSpace: (space) => spaces.push(space),
    onFatal: (error) => errors.push(error),
    ...more,
  });
  return { fileSystem, log, timer, spaces, errors, events };
}

/** A disk with room for so many segments. */
function diskOf(segments: number): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  fileSystem.capacityBytes = segments * segmentBytes;
  return fileSystem;
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 50; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Appends entries one batch each; `durable` holds the indexes acknowledged so far. */
async function fill(log: LogStore, first: number, last: number, durable: number[] = []): Promise<number[]> {
  for (let index = first; index <= last; index += 1) {
    log.append(entriesBatch(index, 1, 400), () => durable.push(index));
    await settle();
  }
  return durable;
}

function indexes(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
}

async function recoveredIndexes(fileSystem: MemoryFileSystem): Promise<number[]> {
  const { log, recovered } = await openTestLog({ fileSystem, segmentBytes });
  await log.close();
  return recovered.entries.map(({ index }) => index);
}

describe('a full disk', function () {
  this.timeout(60_000);

  it('is reported when the current segment is nearly used up, while everything is still written', async () => {
    const { log, spaces, errors, events } = await openLog(diskOf(1.5), { reservedBytes: 2048 });
    expect(await fill(log, 1, 8)).to.deep.equal(indexes(1, 8));
    expect(spaces, 'four blocks and more are left').to.deep.equal([]);
    expect(await fill(log, 9, 9)).to.deep.equal([9]);
    expect(spaces).to.deep.equal(['full']);
    expect(await fill(log, 10, 13), 'the reserve is used').to.deep.equal(indexes(10, 13));
    expect(spaces).to.deep.equal(['full']);
    expect(events).to.deep.equal(['log_disk_full']);
    expect(errors).to.deep.equal([]);
    await log.close();
  });

  it('holds what does not fit, acknowledges none of it, and goes on in order when there is room', async () => {
    const { fileSystem, log, timer, spaces, errors, events } = await openLog(diskOf(1.5));
    const durable = await fill(log, 1, 20);
    expect(durable).to.deep.equal(indexes(1, 13));
    for (let rounds = 0; rounds < 5; rounds += 1) {
      timer.fire();
      await settle();
    }
    expect(durable, 'still no room').to.deep.equal(indexes(1, 13));
    fileSystem.capacityBytes = 4 * segmentBytes;
    timer.fire();
    await settle();
    expect(durable).to.deep.equal(indexes(1, 20));
    expect(spaces).to.deep.equal(['full', 'ok']);
    expect(events).to.deep.equal(['log_disk_full', 'log_disk_has_room']);
    expect(errors).to.deep.equal([]);
    await fill(log, 21, 40, durable);
    await log.close();
    expect(durable).to.deep.equal(indexes(1, 40));
    expect(await recoveredIndexes(fileSystem)).to.deep.equal(indexes(1, 40));
  });

  it('is asked about before anything is written, at growing intervals', async () => {
    const { fileSystem, log, timer } = await openLog(diskOf(1.5));
    await fill(log, 1, 14);
    expect(fileSystem.paths()).to.deep.equal(['/log/00000001.wal']);
    const created = fileSystem.count('create');
    const delays: number[] = [];
    for (let rounds = 0; rounds < 7; rounds += 1) {
      delays.push(...timer.delays);
      timer.fire();
      await settle();
    }
    expect(delays).to.deep.equal([1000, 2000, 4000, 8000, 16_000, 16_000, 16_000]);
    expect(fileSystem.count('create')).to.equal(created);
    await log.close();
    expect(timer.delays, 'no timer is left behind').to.deep.equal([]);
  });

  it('is found out by trying where the system does not tell, and nothing is left of the attempt', async () => {
    const fileSystem = diskOf(1.5);
    fileSystem.isCapacityTold = false;
    const { log, timer, spaces } = await openLog(fileSystem);
    const durable = await fill(log, 1, 20);
    expect(durable).to.deep.equal(indexes(1, 13));
    expect(fileSystem.count('create')).to.equal(2);
    expect(fileSystem.paths()).to.deep.equal(['/log/00000001.wal']);
    timer.fire();
    await settle();
    expect(fileSystem.count('create')).to.equal(3);
    expect(fileSystem.paths()).to.deep.equal(['/log/00000001.wal']);
    fileSystem.capacityBytes *= 2;
    timer.fire();
    await settle();
    expect(durable).to.deep.equal(indexes(1, 20));
    expect(spaces).to.deep.equal(['full', 'ok']);
    await log.close();
  });

  const refusals: [Operation, string][] = [
    ['create', 'ENOSPC'],
    ['write', 'EDQUOT'],
    ['sync', 'ENOSPC'],
    ['rename', 'ENOSPC'],
    ['syncDirectory', 'ENOSPC'],
  ];
  for (const [operation, code] of refusals) {
    it(`is waited out when ${operation} meets it (${code}) while a segment is prepared`, async () => {
      const { fileSystem, log, timer, spaces, errors } = await openLog();
      fileSystem.intercept = (call) => {
        const isPreparing = call.path.endsWith('.new') || !['write', 'sync'].includes(call.operation);
        if (call.operation === operation && isPreparing) throw Object.assign(new Error(code), { code });
      };
      const durable = await fill(log, 1, 20);
      expect(durable).to.deep.equal(indexes(1, 13));
      timer.fire();
      await settle();
      expect(durable).to.deep.equal(indexes(1, 13));
      fileSystem.intercept = null;
      timer.fire();
      await settle();
      expect(durable).to.deep.equal(indexes(1, 20));
      expect(spaces).to.deep.equal(['full', 'ok']);
      expect(errors).to.deep.equal([]);
      await log.close();
      expect(await recoveredIndexes(fileSystem)).to.deep.equal(indexes(1, 20));
    });
  }

  it('ends the member when another failure takes its place', async () => {
    const { fileSystem, log, timer, errors } = await openLog(diskOf(1.5));
    await fill(log, 1, 14);
    fileSystem.capacityBytes = Number.POSITIVE_INFINITY;
    fileSystem.intercept = ({ operation }) => {
      if (operation === 'create') throw Object.assign(new Error('EIO'), { code: 'EIO' });
    };
    timer.fire();
    await settle();
    expect(errors.map((error) => (error as LogError).code)).to.deep.equal(['io']);
    await log.close();
  });

  it('is fatal where prepared space is written: what the kernel took of it is unknown', async () => {
    const { fileSystem, log, errors, spaces } = await openLog();
    fileSystem.intercept = ({ operation, path }) => {
      if (operation === 'syncData' && path.endsWith('.wal')) {
        throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
      }
    };
    expect(await fill(log, 1, 3)).to.deep.equal([]);
    expect(errors.map((error) => (error as LogError).code)).to.deep.equal(['disk_full']);
    expect(spaces).to.deep.equal([]);
    await log.close();
  });

  it('gets room by removing old segments, without waiting, though the current one is used up', async () => {
    const { fileSystem, log, spaces, errors } = await openLog(diskOf(2.5));
    const durable = await fill(log, 1, 30);
    expect(durable).to.deep.equal(indexes(1, 26));
    expect(spaces).to.deep.equal(['full']);
    log.removeBefore(20);
    await settle();
    expect(durable).to.deep.equal(indexes(1, 30));
    expect(spaces).to.deep.equal(['full', 'ok']);
    await log.close();
    expect(errors).to.deep.equal([]);
    expect(await recoveredIndexes(fileSystem)).to.deep.equal(indexes(14, 30));
  });

  it('does not hold up close: what waits was never acknowledged, and the rest is kept', async () => {
    const { fileSystem, log, events } = await openLog(diskOf(1.5));
    const durable = await fill(log, 1, 20);
    await log.close();
    expect(durable).to.deep.equal(indexes(1, 13));
    expect(events).to.include('log_closed_while_disk_full');
    expect(await recoveredIndexes(fileSystem)).to.deep.equal(indexes(1, 13));
  });

  it('is reported soon after a start too', async () => {
    const fileSystem = diskOf(1.5);
    const first = await openLog(fileSystem);
    await fill(first.log, 1, 11);
    await first.log.close();
    const { log, spaces, timer } = await openLog(fileSystem);
    expect(spaces, 'not while opening').to.deep.equal([]);
    await settle();
    expect(spaces).to.deep.equal(['full']);
    fileSystem.capacityBytes *= 2;
    timer.fire();
    await settle();
    expect(spaces).to.deep.equal(['full', 'ok']);
    await log.close();
  });

  it('keeps a new log from being opened, saying what to do', async () => {
    const timer = new ManualTimer();
    const opening = openTestLog({ fileSystem: diskOf(0.5), segmentBytes, after: timer.after });
    const error = await opening.catch((reason: LogError) => reason);
    expect(error).to.have.property('code', 'disk_full');
    expect(error)
      .to.have.property('message')
      .that.matches(/no room for a log segment of 8192 bytes in "\/log".*Free space/);
    expect(timer.delays).to.deep.equal([]);
  });

  it('holds no more than the bound of the queue', async () => {
    const { log, errors, events } = await openLog(diskOf(1.5), { queueBytesMax: 3000 });
    const durable = await fill(log, 1, 30);
    expect(durable).to.deep.equal(indexes(1, 13));
    expect(errors.map((error) => (error as LogError).code)).to.deep.equal(['overloaded']);
    expect(errors[0]?.message).to.match(/which is full.*Free space/);
    expect(events).to.include('log_disk_full');
    await log.close();
  });

  it('hands on what the listener throws', async () => {
    const errors: Error[] = [];
    const { log } = await openLog(diskOf(1.5), {
      onFatal: (error) => errors.push(error),
      onSpace: () => {
        throw new Error('invariant broken');
      },
    });
    await fill(log, 1, 20);
    expect(errors.map(({ message }) => message)).to.deep.equal(['invariant broken']);
    await log.close();
  });

  it('loses and reorders nothing, however it comes and goes', async () => {
    const event = fc.oneof(
      fc.record({ type: fc.constant('append' as const), count: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ type: fc.constant('room' as const), segments: fc.double({ min: 1, max: 5, noNaN: true }) }),
      fc.record({ type: fc.constant('remove' as const) }),
      fc.record({ type: fc.constant('time' as const) }),
      fc.record({ type: fc.constant('restart' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 25 }), fc.boolean(), async (events, isTold) => {
        const fileSystem = diskOf(2);
        fileSystem.isCapacityTold = isTold;
        let open = await openLog(fileSystem);
        let next = 1;
        const durable: number[] = [];
        const append = () => {
          const index = next++;
          open.log.append(entriesBatch(index, 1, 400), () => durable.push(index));
        };
        for (const step of events) {
          if (step.type === 'append') for (let count = 0; count < step.count; count += 1) append();
          else if (step.type === 'room') fileSystem.capacityBytes = step.segments * segmentBytes;
          else if (step.type === 'remove') open.log.removeBefore(durable.at(-1) ?? 0);
          else if (step.type === 'time') open.timer.fire();
          else {
            await open.log.close();
            expect(open.errors).to.deep.equal([]);
            next = (durable.at(-1) ?? 0) + 1;
            open = await openLog(fileSystem);
          }
          await settle();
        }
        fileSystem.capacityBytes = Number.POSITIVE_INFINITY;
        open.timer.fire();
        append();
        await settle();
        expect(durable).to.deep.equal(indexes(1, next - 1));
        expect(open.spaces.at(-1) ?? 'ok').to.equal('ok');
        await appendDurably(open.log, entriesBatch(next, 1));
        await open.log.close();
        expect((await recoveredIndexes(fileSystem)).at(-1)).to.equal(next);
      }),
      { numRuns: 60 },
    );
  });
});
