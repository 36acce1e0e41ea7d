import { expect } from 'chai';
import * as fc from 'fast-check';
import { describe, it } from 'mocha';
import { LogError } from '../../src/log/log-error.ts';
import type { LogBatch, RecoveredLog } from '../../src/log/log-store.ts';
import { EntryKind } from '../../src/raft/types.ts';
import {
  appendDurably,
  buildHistory,
  createRecordingLogger,
  entriesBatch,
  findLastState,
  findState,
  type History,
  openTestLog,
  playHistory,
  type Step,
  steps,
} from './log-history.ts';
import { type Call, MemoryFileSystem } from './memory-file-system.ts';

const blockBytes = 512;

/** Up to where a write reached. */
interface WriteEnd {
  readonly path: string;
  readonly offset: number;
}

/** A disk after a history of which every batch was acknowledged, and where each batch ended up. */
interface Written {
  readonly fileSystem: MemoryFileSystem;
  readonly history: History;
  /** Per batch: the file and the offset at which the last byte of its group lies. */
  readonly ends: readonly WriteEnd[];
  /** Files that were removed, and the newest write before. */
  readonly removed: readonly { readonly path: string; readonly bytes: Buffer; readonly end: WriteEnd }[];
}

function lastEnd(calls: readonly Call[]): WriteEnd {
  const write = calls.findLast(({ operation, path }) => operation === 'write' && path.endsWith('.wal'));
  return { path: write?.path ?? '', offset: (write?.offset ?? 0) + (write?.bytes ?? 0) };
}

/** Not closed = as a kill leaves it, with all that was written so far. */
async function writeHistory(history: History, isClosed: boolean, diskByte = 0xd1): Promise<Written> {
  const fileSystem = new MemoryFileSystem();
  const { log } = await openTestLog({ fileSystem, randomBytes: (size) => Buffer.alloc(size, diskByte) });
  const ends: WriteEnd[] = [];
  await playHistory(log, history, () => ends.push(lastEnd(fileSystem.calls)));
  const killed = fileSystem.clone();
  const removed = fileSystem.removed
    .filter(({ path }) => path.endsWith('.wal') && !killed.paths().includes(path))
    .map(({ path, bytes, call }) => ({ path, bytes, end: lastEnd(fileSystem.calls.slice(0, call)) }));
  await log.close();
  return { fileSystem: isClosed ? fileSystem : killed, history, ends, removed };
}

function writeBatches(batches: readonly LogBatch[], isClosed: boolean, diskByte = 0xd1): Promise<Written> {
  return writeHistory({ batches, states: [], removals: [] }, isClosed, diskByte);
}

function writeSteps(list: readonly Step[], isClosed = false): Promise<Written> {
  return writeHistory(buildHistory(list), isClosed);
}

async function reopen(fileSystem: MemoryFileSystem): Promise<RecoveredLog | LogError> {
  try {
    const { log, recovered } = await openTestLog({ fileSystem });
    await log.close();
    return recovered;
  } catch (error) {
    if (error instanceof LogError) return error;
    throw error;
  }
}

/** The newest segment in which something was written. */
function lastWritten(fileSystem: MemoryFileSystem): string {
  const path = fileSystem
    .paths()
    .findLast((candidate) => fileSystem.get(candidate).some((byte) => byte !== 0));
  if (path === undefined) throw new Error('nothing was written');
  return path;
}

function expectCode(result: RecoveredLog | LogError, codes: readonly string[], what: string): void {
  if (!(result instanceof LogError)) expect.fail(`${what}: opened, although it should have been refused`);
  expect(codes, what).to.include(result.code);
}

/** A few histories of every shape that are the same in each run; random ones come on top. */
const fixedHistories: Step[][] = [
  [[10], [20, 30], [600], [0], [5]],
  [[100], [1000], [40, 40, 40], [488], [456]],
  [[1], [1], [1], [1], [1], [1], [1], [1]],
].map((sizes) =>
  sizes.map((entryBytes, at) => ({
    entryBytes,
    removed: at === 3 ? 1 : null,
    isTermRaised: at === 2,
    vote: at % 2 === 0 ? 'slimfaas-1' : null,
  })),
);
const randomHistories = fc.sample(steps({ entryBytesMax: 700, batchesMax: 6 }), { numRuns: 6, seed: 20_260 });
const compacted = fc
  .tuple(...Array.from({ length: 3 }, () => steps({ entryBytesMax: 500, batchesMax: 6, isCompacted: true })))
  .map((lists) => lists.flat());
const compactedHistories = fc.sample(compacted, { numRuns: 4, seed: 20_260 });
const histories = [...fixedHistories, ...randomHistories, ...compactedHistories];

describe('recovery of a write that did not finish', function () {
  this.timeout(60_000);

  it('keeps, wherever the newest segment ends, all that was acknowledged before that byte', async () => {
    let files = 0;
    for (const list of histories) {
      const { fileSystem, history, ends, removed } = await writeSteps(list);
      files += removed.length;
      const path = lastWritten(fileSystem);
      const length = Math.max(
        blockBytes,
        ...ends.filter((end) => end.path === path).map(({ offset }) => offset),
      );
      for (let cut = 0; cut <= length; cut += 1) {
        const copy = fileSystem.clone();
        copy.get(path).fill(0, cut);
        // A segment behind it is prepared only when this one holds something.
        for (const later of copy.paths()) if (later > path) copy.delete(later);
        // Segments are deleted only when the record that gives them up is there.
        for (const { path: old, bytes, end } of removed) {
          if (end.path === path && end.offset > cut) copy.put(old, bytes);
        }
        const recovered = await reopen(copy);
        if (recovered instanceof LogError) throw recovered;
        const batches = findLastState(history, recovered);
        const whole = ends.filter(
          (end) => end.path < path || (end.path === path && end.offset <= cut),
        ).length;
        expect(batches, `cut at ${cut} of ${path}`).to.be.at.least(whole);
      }
    }
    expect(files, 'segments that were removed meanwhile').to.be.greaterThan(8);
  });

  it('keeps all that was acknowledged when the blocks of the write in flight survive in any combination', async () => {
    const history = buildHistory([
      { entryBytes: [300], removed: null, isTermRaised: true, vote: 'slimfaas-0' },
      { entryBytes: [500, 500, 500, 500], removed: 1, isTermRaised: true, vote: null },
    ]);
    const { fileSystem, ends } = await writeHistory(history, false);
    const [first, second] = ends;
    if (first === undefined || second === undefined) throw new Error('two batches were written');
    const blocks = Math.ceil(second.offset / blockBytes) - 1;
    for (let survivors = 0; survivors < 2 ** (blocks - 1); survivors += 1) {
      const copy = fileSystem.clone();
      const bytes = copy.get(second.path);
      const start = second.path === first.path ? first.offset : blockBytes;
      for (let block = 0; start + block * blockBytes < second.offset; block += 1) {
        const from = start + block * blockBytes;
        if ((survivors & (1 << block)) === 0) bytes.fill(0, from, from + blockBytes);
      }
      const recovered = await reopen(copy);
      if (recovered instanceof LogError) throw recovered;
      expect(findState(history, recovered)).to.be.at.least(1);
    }
  });

  it('clears the remains, says so, and goes on', async () => {
    const { fileSystem, ends } = await writeBatches([entriesBatch(1, 1), entriesBatch(2, 3, 250)], false);
    const path = ends[1]?.path ?? '';
    fileSystem.get(path).fill(0, (ends[1]?.offset ?? 0) - blockBytes);
    const { logger, events } = createRecordingLogger();
    const { log, recovered } = await openTestLog({ fileSystem, logger });
    expect(recovered.entries).to.have.lengthOf(1);
    expect(events).to.deep.equal(['log_torn_write_cleared']);
    const remains = fileSystem.get(path).subarray((ends[1]?.offset ?? 0) - 2 * blockBytes);
    expect(remains.every((byte) => byte === 0)).to.equal(true);
    await appendDurably(log, entriesBatch(2, 1, 40));
    await log.close();
    const again = await reopen(fileSystem);
    expect(again).to.have.property('entries').with.lengthOf(2);
  });

  it('writes the newest group once more, since it may have been read from the page cache only', async () => {
    const { fileSystem } = await writeSteps(fixedHistories[0] ?? []);
    fileSystem.calls.length = 0;
    const path = lastWritten(fileSystem);
    const before = Buffer.from(fileSystem.get(path));
    const { log } = await openTestLog({ fileSystem });
    const writes = fileSystem.calls.filter((call) => call.path === path && call.operation !== 'open');
    const changes = writes.filter(({ operation }) => operation === 'write' || operation === 'syncData');
    expect(changes.map(({ operation }) => operation)).to.deep.equal(['write', 'syncData']);
    expect(fileSystem.get(path).equals(before)).to.equal(true);
    await log.close();
  });
});

describe('recovery of a damaged log', function () {
  this.timeout(60_000);

  for (const isClosed of [false, true]) {
    const when = isClosed ? 'after a clean stop' : 'after a kill';
    it(`never misses what was acknowledged when one byte has changed, ${when}`, async () => {
      let refusals = 0;
      for (const list of histories) {
        const { fileSystem, history } = await writeSteps(list, isClosed);
        for (const path of fileSystem.paths()) {
          for (let offset = 0; offset < fileSystem.get(path).length; offset += 1) {
            const copy = fileSystem.clone();
            const bytes = copy.get(path);
            const old = bytes[offset] ?? 0;
            bytes[offset] = old !== 0 && offset % 2 === 0 ? 0 : old ^ (1 << (offset % 8));
            const result = await reopen(copy);
            if (result instanceof LogError) refusals += 1;
            else {
              const found = findLastState(history, result);
              expect(found, `byte ${offset} of ${path}`).to.equal(history.batches.length);
            }
          }
        }
      }
      expect(refusals).to.be.greaterThan(10_000);
    });
  }

  it('loses at most the write in flight when one byte of its remains has changed', async () => {
    const { fileSystem, ends } = await writeBatches([entriesBatch(1, 1), entriesBatch(2, 4, 300)], false);
    const path = ends[1]?.path ?? '';
    const start = (ends[1]?.offset ?? 0) - 3 * blockBytes;
    fileSystem.get(path).fill(0, start + blockBytes, start + 2 * blockBytes);
    for (let offset = start; offset < start + 3 * blockBytes; offset += 1) {
      const copy = fileSystem.clone();
      const bytes = copy.get(path);
      bytes[offset] = (bytes[offset] ?? 0) ^ 0x24;
      const result = await reopen(copy);
      if (result instanceof LogError) expect(result.code).to.equal('corrupt');
      else expect(result.entries).to.have.lengthOf(1);
    }
  });

  it('refuses a zeroed block in front of a later group, and says that it had been acknowledged', async () => {
    const batches = [entriesBatch(1, 1), entriesBatch(2, 1), entriesBatch(3, 1)];
    const { fileSystem, ends } = await writeBatches(batches, false);
    const { path, offset } = ends[1] ?? { path: '', offset: 0 };
    fileSystem.get(path).fill(0, offset - blockBytes, offset);
    const result = await reopen(fileSystem.clone());
    expectCode(result, ['corrupt'], 'zeroed block');
    expect(result)
      .to.have.property('message')
      .that.matches(/acknowledged, but is no longer complete/);
    expect(result).to.have.property('place').that.deep.equals({ path, offset });
  });

  it('refuses, after a clean stop, even a newest group that has turned to zeros', async () => {
    const { fileSystem, ends } = await writeBatches([entriesBatch(1, 1), entriesBatch(2, 1)], true);
    const { path, offset } = ends[1] ?? { path: '', offset: 0 };
    fileSystem.get(path).fill(0, offset - blockBytes, offset);
    expectCode(await reopen(fileSystem), ['corrupt'], 'zeroed group');
  });

  it('refuses a segment file that was cut off, wherever', async () => {
    const { fileSystem } = await writeSteps(fixedHistories[1] ?? []);
    const path = lastWritten(fileSystem);
    const whole = Buffer.from(fileSystem.get(path));
    for (let length = 0; length < whole.length; length += 1) {
      const copy = fileSystem.clone();
      copy.put(path, whole.subarray(0, length));
      expectCode(await reopen(copy), ['corrupt'], `${length} bytes`);
    }
  });

  it('refuses when any segment that holds something is missing', async () => {
    const { fileSystem } = await writeSteps(fixedHistories[1] ?? []);
    const written = fileSystem.paths().filter((path) => fileSystem.get(path).some((byte) => byte !== 0));
    expect(written.length).to.be.greaterThan(2);
    for (const path of written) {
      const copy = fileSystem.clone();
      copy.delete(path);
      expectCode(await reopen(copy), ['corrupt'], `without ${path}`);
    }
  });

  it('refuses two segments that have changed places', async () => {
    const { fileSystem } = await writeSteps(fixedHistories[1] ?? []);
    const [first, second] = fileSystem.paths();
    if (first === undefined || second === undefined) throw new Error('two segments were written');
    const bytes = Buffer.from(fileSystem.get(first));
    fileSystem.put(first, fileSystem.get(second));
    fileSystem.put(second, bytes);
    expectCode(await reopen(fileSystem), ['corrupt'], 'swapped');
  });

  it('refuses a segment of the same log from another time', async () => {
    const history = fixedHistories[1] ?? [];
    const { fileSystem } = await writeSteps(history);
    const changed = history.map((step, at) => (at === 0 ? { ...step, entryBytes: [101] } : step));
    const { fileSystem: other } = await writeSteps(changed);
    const path = lastWritten(fileSystem);
    fileSystem.put(path, other.get(path));
    expectCode(await reopen(fileSystem), ['corrupt'], 'other past');
  });

  it('refuses a segment of another disk, naming both', async () => {
    const { batches } = buildHistory(fixedHistories[1] ?? []);
    const { fileSystem } = await writeBatches(batches, false);
    const { fileSystem: other } = await writeBatches(batches, false, 0x0f);
    const path = lastWritten(fileSystem);
    fileSystem.put(path, other.get(path));
    const result = await reopen(fileSystem);
    expectCode(result, ['foreign_disk'], 'mixed');
    expect(result).to.have.property('message').that.includes('0f'.repeat(16)).and.includes('d1'.repeat(16));
  });

  it('refuses blocks of the newest group that have changed places', async () => {
    const payload = Buffer.from(Array.from({ length: 1300 }, (_, at) => at % 251));
    const entry = { index: 1, term: 1, kind: EntryKind.Command, payload };
    const batch = { hardState: null, truncateFrom: null, entries: [entry] };
    const { fileSystem, ends } = await writeBatches([batch], false);
    const { path, offset } = ends[0] ?? { path: '', offset: 0 };
    const bytes = fileSystem.get(path);
    const first = Buffer.from(bytes.subarray(offset - 2 * blockBytes, offset - blockBytes));
    bytes.copy(bytes, offset - 2 * blockBytes, offset - blockBytes, offset);
    expectCode(await reopen(fileSystem.clone()), ['corrupt'], 'doubled');
    first.copy(bytes, offset - blockBytes);
    expectCode(await reopen(fileSystem), ['corrupt'], 'swapped');
  });

  it('refuses a blank segment that does not have the size its predecessor tells', async () => {
    const { fileSystem } = await writeSteps(fixedHistories[1] ?? []);
    const written = fileSystem.paths().filter((path) => fileSystem.get(path).some((byte) => byte !== 0));
    for (const path of written.slice(1)) {
      const copy = fileSystem.clone();
      for (const later of copy.paths()) if (later > path) copy.delete(later);
      copy.put(path, Buffer.alloc(fileSystem.get(path).length));
      const result = await reopen(copy.clone());
      if (result instanceof LogError) throw result;
      copy.put(path, Buffer.alloc(fileSystem.get(path).length + blockBytes));
      expectCode(await reopen(copy), ['corrupt'], path);
    }
  });

  it('changes nothing on a disk that it refuses', async () => {
    const { fileSystem, ends } = await writeBatches([entriesBatch(1, 1), entriesBatch(2, 1)], false);
    const { path, offset } = ends[0] ?? { path: '', offset: 0 };
    const bytes = fileSystem.get(path);
    bytes[offset - 300] = (bytes[offset - 300] ?? 0) ^ 1;
    const before = Buffer.from(bytes);
    const copy = fileSystem.clone();
    expectCode(await reopen(copy), ['corrupt'], 'flipped');
    expect(copy.count('write') + copy.count('remove') + copy.count('rename')).to.equal(0);
    expect(copy.get(path).equals(before)).to.equal(true);
  });
});
