import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { ignoreAbsence } from './run-directory.ts';
import { segmentBytes, segmentIndexes, segmentPath } from './run-log.ts';

export interface RunOutputOptions {
  readonly directory: string;
  readonly logBytesMax: number;
  readonly follow: boolean;
  /** Ends the reading early and quietly. */
  readonly signal: AbortSignal;
  /** Has the run ended, so that nothing more will be written? */
  hasEnded(): Promise<boolean>;
}

const chunkBytes = 64 * 1024;
/** Changes are announced by the file system; this is for those that it fails to announce. */
const recheckMs = 1000;

/** The output of a run from its beginning, one chunk at a time, as fast as the reader takes it. */
export function createRunOutput(options: RunOutputOptions): Readable {
  return Readable.from(readChunks(options), { objectMode: false, highWaterMark: chunkBytes });
}

async function* readChunks(options: RunOutputOptions): AsyncGenerator<Buffer> {
  const reader = createSegmentReader(options.directory, segmentBytes(options.logBytesMax));
  const changes = options.follow ? watchChanges(options.directory, options.signal) : null;
  try {
    while (!options.signal.aborted) {
      // Asked before reading: what was written before the end is then surely read.
      const isComplete = changes === null || (await options.hasEnded());
      const chunk = await reader.read();
      if (chunk !== null) yield chunk;
      else if (isComplete) return;
      else await changes.next();
    }
  } finally {
    changes?.close();
    await reader.close();
  }
}

interface SegmentReader {
  /** The next bytes; null = there are none for now. */
  read(): Promise<Buffer | null>;
  close(): Promise<void>;
}

function createSegmentReader(directory: string, size: number): SegmentReader {
  let index = 0;
  let offset = 0;
  // Kept open, so that a segment which is cut off while it is read is still read to its end.
  let file: FileHandle | undefined;

  async function readHere(): Promise<Buffer | null> {
    file ??= await ignoreAbsence(open(segmentPath(directory, index), 'r'));
    if (file === undefined) return null;
    const { bytesRead, buffer } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, offset);
    offset += bytesRead;
    return bytesRead === 0 ? null : buffer.subarray(0, bytesRead);
  }

  /** Listed before the last look at this segment: once a later one exists, this one is complete. */
  async function readOn(): Promise<Buffer | null> {
    const indexes = segmentIndexes((await ignoreAbsence(readdir(directory))) ?? []);
    const next = indexes.find((one) => one > index);
    const rest = await readHere();
    if (rest !== null || next === undefined) return rest;
    const cutBytes = (next - index) * size - offset;
    await file?.close();
    file = undefined;
    index = next;
    offset = 0;
    if (cutBytes === 0) return readHere();
    return Buffer.from(`\n[slimfaas: ${cutBytes} bytes of output were cut here]\n`);
  }

  return {
    read: async () => (await readHere()) ?? (await readOn()),
    close: async () => file?.close(),
  };
}

interface Changes {
  /** Resolves when something may have changed since the last call. */
  next(): Promise<void>;
  close(): void;
}

function watchChanges(directory: string, signal: AbortSignal): Changes {
  let hasChanged = false;
  let wake = (): void => {};
  const change = (): void => {
    hasChanged = true;
    wake();
  };
  const watcher = openWatcher(directory, change);
  signal.addEventListener('abort', change);
  return {
    async next() {
      if (!hasChanged) {
        const timer = new AbortController();
        const changed = new Promise<void>((resolve) => {
          wake = resolve;
        });
        await Promise.race([changed, delay(recheckMs, undefined, { signal: timer.signal })]);
        timer.abort();
      }
      hasChanged = false;
    },
    close() {
      watcher?.close();
      signal.removeEventListener('abort', change);
    },
  };
}

/** Null when the system has no watch to give (or the run is gone): then the recheck alone finds changes. */
function openWatcher(directory: string, change: () => void): FSWatcher | null {
  try {
    return watch(directory, change).on('error', change);
  } catch (error) {
    if (['ENOSPC', 'EMFILE', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}
