import { join } from 'node:path';
import type { Logger } from '../logger.ts';
import { blockBytes, clearTrailers } from './block.ts';
import type { FileReader, FileSystem, LogFile } from './file-system.ts';
import { corruptLog } from './log-error.ts';
import { LogImage } from './log-image.ts';
import { isPreparedSegmentName, parseSegmentName, segmentName } from './segment-name.ts';
import { removeSegments } from './segment-removal.ts';
import { type ChainPosition, type SegmentScan, scanSegment } from './segment-scan.ts';

export interface Recovery {
  readonly image: LogImage;
  /** Newest segment that counts; null before the first formatting was complete. */
  readonly active: RecoveredSegment | null;
  /** A segment behind it in which nothing counts yet. */
  readonly spare: RecoveredSegment | null;
  /** Segments that were given up, but whose files are still there; newest first. */
  readonly removed: readonly number[];
}

interface RecoveredSegment {
  readonly number: number;
  readonly scan: SegmentScan;
}

export interface ReadOptions {
  readonly directory: string;
  readonly fileSystem: FileReader;
}

export interface RepairOptions extends ReadOptions {
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
}

const clearSliceBytes = 512 * blockBytes;

/**
 * Reads all segments. Throws `LogError` for whatever no crash could have left; then nothing was changed on disk.
 * A crash leaves: segments that are finished (end record) one after the other; then one that is open, maybe with a torn
 * last group; then maybe one prepared and still blank. The last finished one may have a blank one behind it directly.
 * In front of them there may be segments that were given up: all of them, or any behind a gap. Whether a gap is right is
 * known only in the end, when all records of what was given up have been read; see `removeSegments`. An `image` that is
 * handed in holds, after a refusal, the log up to the damage.
 */
export async function readSegments(options: ReadOptions, image = new LogImage()): Promise<Recovery> {
  const names = await options.fileSystem.list(options.directory);
  const numbers = names.map(parseSegmentName).filter((number) => number !== null);
  numbers.sort((a, b) => a - b);
  const first = numbers.findLast((number, position) => numbers[position - 1] !== number - 1) ?? 1;
  let active: RecoveredSegment | null = null;
  let spare: RecoveredSegment | null = null;
  let start: ChainPosition = { sequence: 1, chain: 0 };
  for (const number of numbers.filter((number) => number >= first)) {
    const path = join(options.directory, segmentName(number));
    if (spare !== null) throw corruptLog({ path, offset: 0 }, `segment ${spare.number} before it is blank`);
    const scan = await scanOne(options, path, number, start, image);
    checkPlaceInRow(path, scan, active);
    if (scan.header === null) spare = { number, scan };
    else active = { number, scan };
    start = scan.end;
  }
  checkEnds(options.directory, image, active, spare, first);
  image.extents.removeBelow(image.baseSegment);
  const removed = numbers.filter((number) => number < image.baseSegment).toReversed();
  return { image, active, spare, removed };
}

async function scanOne(
  options: ReadOptions,
  path: string,
  number: number,
  start: ChainPosition,
  image: LogImage,
): Promise<SegmentScan> {
  const file = await options.fileSystem.openToRead(path);
  try {
    const bytes = await file.size();
    return await scanSegment({
      path,
      file,
      start,
      onHeader: (header, place) => image.applyHeader(header, { number, bytes, start }, place),
      onChange: (change, place) => image.applyChange(change, place),
    });
  } finally {
    await file.close();
  }
}

/** An end record is written only when the next segment is there, and tells its size; so one cut to nothing is noticed. */
function checkPlaceInRow(path: string, scan: SegmentScan, before: RecoveredSegment | null): void {
  const promised = before?.scan.nextSegmentBytes ?? scan.segmentBytes;
  if (promised !== scan.segmentBytes) {
    const reason = `the file has ${scan.segmentBytes} bytes instead of ${promised}: it was cut off`;
    throw corruptLog({ path, offset: 0 }, reason);
  }
}

function checkEnds(
  directory: string,
  image: LogImage,
  active: RecoveredSegment | null,
  spare: RecoveredSegment | null,
  first: number,
): void {
  if (active !== null && active.scan.nextSegmentBytes !== null && spare === null) {
    const path = join(directory, segmentName(active.number + 1));
    throw corruptLog({ path, offset: 0 }, 'the file is missing');
  }
  if (first > image.baseSegment) {
    const path = join(directory, segmentName(image.baseSegment));
    throw corruptLog({ path, offset: 0 }, 'the file is missing');
  }
}

/**
 * Makes true on disk what `readSegments` found, before anything is built upon it:
 * - what a crash left half-written is cleared, since recovery relies on zeros behind the end;
 * - the newest write is written once more. It may have been read from the page cache only: the process may have died
 *   before its fdatasync, or because that failed, after which Linux calls the pages clean. A further fdatasync alone
 *   would then succeed without writing anything (fsyncgate, 2018). Everything older is known to be durable, since a
 *   write is started only after the fdatasync before it succeeded;
 * - and what was given up is deleted, only after that, since the record that gave it up may be this newest write.
 */
export async function repairSegments(options: RepairOptions, recovery: Recovery): Promise<void> {
  for (const name of await options.fileSystem.list(options.directory)) {
    if (isPreparedSegmentName(name)) await options.fileSystem.remove(join(options.directory, name));
  }
  for (const segment of [recovery.active, recovery.spare]) {
    if (segment !== null) await repairSegment(options, segment);
  }
  // Also for what is no longer there of `removed`: the rest may only go once that is certain.
  await options.fileSystem.syncDirectory(options.directory);
  await removeSegments(options, recovery.removed);
}

async function repairSegment(options: RepairOptions, segment: RecoveredSegment): Promise<void> {
  const { torn, lastWrite } = segment.scan;
  if (torn === null && lastWrite === null) return;
  const path = join(options.directory, segmentName(segment.number));
  const file = await options.fileSystem.open(path);
  try {
    if (torn !== null) {
      options.logger.warn({ path, offset: torn.offset, bytes: torn.bytes }, 'log_torn_write_cleared');
      await clearBlocks(file, torn.offset, torn.bytes);
    }
    if (lastWrite !== null) await file.write(lastWrite.bytes, lastWrite.offset);
    await file.syncData();
  } finally {
    await file.close();
  }
}

/**
 * The trailers first, durably, then the rest: should this write itself be torn inside a sector, the old end of a block
 * behind new zeros would look like damage.
 */
async function clearBlocks(file: LogFile, offset: number, bytes: number): Promise<void> {
  for (const clear of [clearTrailers, (slice: Buffer) => slice.fill(0)]) {
    const slice = Buffer.alloc(Math.min(bytes, clearSliceBytes));
    for (let done = 0; done < bytes; done += slice.length) {
      const wanted = slice.subarray(0, Math.min(slice.length, bytes - done));
      await file.read(wanted, offset + done);
      clear(wanted);
      await file.write(wanted, offset + done);
    }
    await file.syncData();
  }
}
