import { closeSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The output of a run is cut into segments of equal size, `log-0`, `log-1`, ... When the bound is reached the first
 * two and the last two are kept: how it began and how it ended. A hole in the numbers is what was cut.
 */
export interface RunLog {
  /** Appends; counts and drops what the disk refuses, since a full disk must not hold up the command. */
  write(bytes: Uint8Array): void;
  /** A line of our own among the output. */
  note(text: string): void;
  close(): void;
}

/** Size of a segment: four of them are the bound. */
export function segmentBytes(logBytesMax: number): number {
  return Math.floor(logBytesMax / 4);
}

/** File of segment `index`. */
export function segmentPath(directory: string, index: number): string {
  return join(directory, `log-${index}`);
}

/** Indexes of the segments among these file names, ascending. */
export function segmentIndexes(names: readonly string[]): readonly number[] {
  return names
    .flatMap((name) => name.match(/^log-(\d+)$/)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** Opens the log of a run for writing where the last writer left it. */
export function openRunLog(directory: string, logBytesMax: number): RunLog {
  const size = segmentBytes(logBytesMax);
  let index = segmentIndexes(readdirSync(directory)).at(-1) ?? 0;
  let file = openSync(segmentPath(directory, index), 'a', 0o600);
  let written = statSync(segmentPath(directory, index)).size;

  let lostBytes = 0;

  function nextSegment(): void {
    const next = openSync(segmentPath(directory, index + 1), 'a', 0o600);
    closeSync(file);
    file = next;
    index += 1;
    written = 0;
    if (index >= 4) rmSync(segmentPath(directory, index - 2), { force: true });
  }

  /** How many bytes the disk refused. */
  function append(bytes: Uint8Array): number {
    let from = 0;
    try {
      while (from < bytes.length) {
        if (written >= size) nextSegment();
        const count = writeSync(file, bytes, from, Math.min(bytes.length - from, size - written));
        from += count;
        written += count;
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    }
    return bytes.length - from;
  }

  function write(bytes: Uint8Array): void {
    if (lostBytes > 0) {
      const note = Buffer.from(`\n[slimfaas: ${lostBytes} bytes of output could not be written]\n`);
      if (append(note) === 0) lostBytes = 0;
    }
    lostBytes += lostBytes > 0 ? bytes.length : append(bytes);
  }

  return {
    write,
    note: (text) => write(Buffer.from(`[slimfaas: ${text}]\n`)),
    close: () => closeSync(file),
  };
}
