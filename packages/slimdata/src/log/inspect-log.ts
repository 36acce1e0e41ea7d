import { basename } from 'node:path';
import { createDiskFileReader } from './disk-file-system.ts';
import type { FileReader } from './file-system.ts';
import { faultOf, inspectSegment } from './inspect-segment.ts';
import { LogError, type LogErrorCode, logRemedies } from './log-error.ts';
import { LogImage } from './log-image.ts';
import { createLogPosition, lastOf } from './log-position.ts';
import type { DamageReport, LogReport, SegmentReport } from './log-report.ts';
import { readSegments } from './recovery.ts';
import { isPreparedSegmentName, parseSegmentName } from './segment-name.ts';

/**
 * Reads the log in `directory` without changing or locking anything, however damaged it is. The verdict is that of the
 * very code that opens a log; each segment is read for itself besides, so that the report does not end at the first
 * damage. Throws `LogError` `io` when the directory itself cannot be read.
 */
export async function inspectLog(
  directory: string,
  fileSystem: FileReader = createDiskFileReader(),
): Promise<LogReport> {
  const { names, holder } = await look(directory, fileSystem);
  const image = new LogImage();
  const outcome = await readSegments({ directory, fileSystem }, image).catch((error) =>
    faultOf(error, directory),
  );
  const numbers = names.map(parseSegmentName).filter((number) => number !== null);
  const inspected: Awaited<ReturnType<typeof inspectSegment>>[] = [];
  for (const number of numbers.sort((a, b) => a - b)) {
    inspected.push(await inspectSegment(directory, number, fileSystem));
  }
  const refusal = outcome instanceof LogError ? outcome : null;
  const removed = outcome instanceof LogError ? [] : outcome.removed;
  const segments = inspected.map(({ report }) => markRemoved(report, removed));
  const torn = inspected.flatMap((one) => one.torn ?? []);
  return {
    directory,
    holder,
    verdict: verdictOf(refusal, image, torn.length),
    diskId: image.diskId,
    hardState: image.hardState,
    base: image.base,
    last: lastOf(createLogPosition(image)),
    segments,
    torn,
    leftovers: [
      ...segments.filter(({ state }) => state === 'removed').map(({ file }) => file),
      ...names.filter(isPreparedSegmentName),
    ],
    damage:
      refusal === null ? [] : damageOf([refusal, ...inspected.flatMap(({ fault }) => fault ?? [])], holder),
  };
}

async function look(directory: string, fileSystem: FileReader) {
  try {
    const names = [...(await fileSystem.list(directory))].sort();
    return { names, holder: await fileSystem.lockHolder(directory) };
  } catch (cause) {
    const text = `Directory "${directory}" cannot be read: ${String(cause)}. Name the directory that holds the log.`;
    throw new LogError('io', text, { cause });
  }
}

function markRemoved(report: SegmentReport, removed: readonly number[]): SegmentReport {
  return removed.includes(report.number) ? { ...report, state: 'removed' } : report;
}

function verdictOf(refusal: LogError | null, image: LogImage, torn: number): LogReport['verdict'] {
  if (refusal !== null) return 'damaged';
  if (image.diskId === null) return 'empty';
  return torn > 0 ? 'torn' : 'sound';
}

/** Segment names sort as the log does. */
function damageOf(faults: readonly LogError[], holder: string | null): DamageReport[] {
  const reports = new Map<string, DamageReport>();
  for (const { code, place, reason, message } of faults) {
    const file = basename(place?.path ?? '');
    const offset = place?.offset ?? 0;
    const remedy = remedyOf(code, holder);
    const meaning = reason ?? message;
    const report = { file, offset, code: code === 'io' ? ('unreadable' as const) : code, meaning, remedy };
    const key = `${file} ${String(offset).padStart(16, '0')}`;
    if (!reports.has(key)) reports.set(key, report);
  }
  return [...reports].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, report]) => report);
}

function remedyOf(code: LogErrorCode, holder: string | null): string {
  if (holder !== null) {
    return `This may be a write under way, since ${holder} has the log open. Stop it, then inspect again.`;
  }
  const remedies: Partial<Record<LogErrorCode, string>> = logRemedies;
  return remedies[code] ?? 'Check the permissions and the disk, then inspect again.';
}
