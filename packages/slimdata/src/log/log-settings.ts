import assert from 'node:assert/strict';
import type { Logger } from '../logger.ts';
import { blockBytes } from './block.ts';
import type { FileSystem } from './file-system.ts';
import type { LogSpace } from './log-store.ts';
import type { After } from './segment-supply.ts';

export interface WriteAheadLogOptions {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
  readonly randomBytes: (size: number) => Buffer;
  /** Called at most once: nothing is acknowledged any more, and the process must end. */
  readonly onFatal: (error: Error) => void;
  /** Called with each change; the log begins with `ok`. Never called while opening. */
  readonly onSpace?: (space: LogSpace) => void;
  /** Size of a segment file; a multiple of 512, at least 2048. Default 64 MiB. */
  readonly segmentBytes?: number;
  /**
   * `full` is reported when the next segment cannot be made and no more than this is left in the current one. It is what
   * remains for votes and for entries that are on their way already. Default: a quarter of `segmentBytes`.
   */
  readonly reservedBytes?: number;
  /** Longest that batches may queue for the disk before the member gives up (`overloaded`). Default 256 MiB. */
  readonly queueBytesMax?: number;
  /** Waits between attempts while the disk is full. Default: the timers of the process. */
  readonly after?: After;
}

const segmentBytesDefault = 64 * 1024 * 1024;
const segmentBytesMin = 4 * blockBytes;
const queueBytesMaxDefault = 256 * 1024 * 1024;

/** The options with every default filled in. */
export type LogSettings = Required<Omit<WriteAheadLogOptions, 'onFatal' | 'onSpace'>> &
  Pick<WriteAheadLogOptions, 'onFatal' | 'onSpace'>;

/** A bad value is a programmer error. */
export function logSettings(options: WriteAheadLogOptions): LogSettings {
  const segmentBytes = options.segmentBytes ?? segmentBytesDefault;
  assert(
    segmentBytes >= segmentBytesMin && segmentBytes % blockBytes === 0,
    `bad segment size ${segmentBytes}`,
  );
  return {
    ...options,
    segmentBytes,
    reservedBytes: options.reservedBytes ?? segmentBytes / 4,
    queueBytesMax: options.queueBytesMax ?? queueBytesMaxDefault,
    after: options.after ?? systemAfter,
  };
}

function systemAfter(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
}
