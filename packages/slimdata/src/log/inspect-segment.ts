import { AssertionError } from 'node:assert/strict';
import { join } from 'node:path';
import type { FileReader } from './file-system.ts';
import { LogError } from './log-error.ts';
import { LogImage } from './log-image.ts';
import type { SegmentReport, TornReport } from './log-report.ts';
import type { LogBase } from './log-store.ts';
import type { LogChange } from './record.ts';
import { segmentName } from './segment-name.ts';
import { type SegmentScan, scanSegment } from './segment-scan.ts';

interface InspectedSegment {
  readonly report: SegmentReport;
  readonly torn: TornReport | null;
  /** Why the rest of it could not be read. */
  readonly fault: LogError | null;
}

/** Reads one segment from its own header on, whatever stands in the others. Never rejects for what is on disk. */
export async function inspectSegment(
  directory: string,
  number: number,
  fileSystem: FileReader,
): Promise<InspectedSegment> {
  const file = segmentName(number);
  const path = join(directory, file);
  const contents = new SegmentContents();
  let scan: SegmentScan | LogError;
  try {
    scan = await readWhole(path, number, fileSystem, contents);
  } catch (error) {
    scan = faultOf(error, path);
  }
  const { bytes, diskId, before, first, last } = contents;
  const facts = { file, number, bytes, diskId, before, first, last };
  if (scan instanceof LogError) {
    const bytesUsed = scan.place?.offset ?? 0;
    return { report: { ...facts, state: 'damaged', bytesUsed }, torn: null, fault: scan };
  }
  const torn = scan.torn === null ? null : { file, ...scan.torn };
  const bytesUsed = scan.header === null ? 0 : scan.endOffset;
  return { report: { ...facts, state: stateOf(scan), bytesUsed }, torn, fault: null };
}

async function readWhole(
  path: string,
  number: number,
  fileSystem: FileReader,
  contents: SegmentContents,
): Promise<SegmentScan> {
  const start = { sequence: 1, chain: 0 };
  const file = await fileSystem.openToRead(path);
  try {
    const bytes = await file.size();
    contents.bytes = bytes;
    return await scanSegment({
      path,
      file,
      start,
      onHeader: (header, place) => {
        new LogImage().applyHeader(header, { number, bytes, start }, place);
        contents.diskId = header.diskId;
        contents.before = header.before;
      },
      onChange: (change) => contents.apply(change),
    });
  } finally {
    await file.close();
  }
}

/** What can be told of a segment by itself; right also when reading it ends early. */
class SegmentContents {
  bytes = 0;
  diskId: string | null = null;
  before: LogBase | null = null;
  #entries: LogBase[] = [];

  get first(): LogBase | null {
    return this.#entries[0] ?? null;
  }

  get last(): LogBase | null {
    return this.#entries.at(-1) ?? null;
  }

  apply(change: LogChange): void {
    if (change.type === 'entry') this.#entries.push({ index: change.entry.index, term: change.entry.term });
    else if (change.type === 'reset') this.#entries = [];
    else if (change.type === 'truncation') this.#truncate(change.from);
  }

  #truncate(from: number): void {
    const kept = from - (this.first?.index ?? from);
    this.#entries.length = Math.min(this.#entries.length, Math.max(0, kept));
  }
}

function stateOf(scan: SegmentScan): SegmentReport['state'] {
  if (scan.header === null) return 'blank';
  return scan.nextSegmentBytes === null ? 'open' : 'finished';
}

/** What a file could not be read for; a failed assertion is not about the file. */
export function faultOf(error: unknown, path: string): LogError {
  if (error instanceof AssertionError) throw error;
  if (error instanceof LogError) return error;
  const reason = `the system refuses to read it (${error instanceof Error ? error.message : String(error)})`;
  return new LogError('io', `"${path}": ${reason}`, { cause: error, place: { path, offset: 0 }, reason });
}
