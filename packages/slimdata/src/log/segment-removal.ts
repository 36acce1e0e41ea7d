import { join } from 'node:path';
import type { Logger } from '../logger.ts';
import type { FileSystem } from './file-system.ts';
import { segmentName } from './segment-name.ts';

export interface SegmentRemovalOptions {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
}

/**
 * Deletes segments that the log has given up durably; `numbers` newest first. The newest goes first, and
 * durably before the others are touched: a crash then leaves either all of them, or a gap in front of the first one that
 * counts. Without that order it could leave some that can no longer be read without those before them.
 */
export async function removeSegments(
  options: SegmentRemovalOptions,
  numbers: readonly number[],
): Promise<void> {
  const [newest, ...older] = numbers;
  if (newest === undefined) return;
  const remove = (number: number) =>
    removeFile(options.fileSystem, join(options.directory, segmentName(number)));
  await remove(newest);
  // Also when it was gone: it may be so in memory only.
  await options.fileSystem.syncDirectory(options.directory);
  for (const number of older) await remove(number);
  if (older.length > 0) await options.fileSystem.syncDirectory(options.directory);
  const { directory } = options;
  options.logger.info({ directory, first: numbers.at(-1), last: newest }, 'log_segments_removed');
}

/** Minds no file that is gone already. */
export async function removeFile(fileSystem: FileSystem, path: string): Promise<void> {
  try {
    await fileSystem.remove(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}

/**
 * Removes segments in the background, one after the other. A failure is harmless, since they do not count any more: it is
 * logged, and they are tried again with the next ones, or by the next opening.
 */
export class SegmentRemoval {
  readonly #options: SegmentRemovalOptions;
  /** Called when files are gone. */
  readonly #onRemoved: () => void;
  /** Newest first. */
  #numbers: number[] = [];
  #running: Promise<void> | null = null;

  constructor(options: SegmentRemovalOptions, onRemoved: () => void) {
    this.#options = options;
    this.#onRemoved = onRemoved;
  }

  /** Removes these, newest first, and those that could not be removed before. */
  begin(numbers: readonly number[]): void {
    this.#numbers.unshift(...numbers);
    if (this.#numbers.length === 0) return;
    this.#running ??= this.#run();
  }

  /** Waits for the removal under way. */
  async settle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    try {
      while (this.#numbers.length > 0) {
        const numbers = [...this.#numbers];
        await removeSegments(this.#options, numbers);
        this.#numbers = this.#numbers.filter((number) => !numbers.includes(number));
        this.#onRemoved();
      }
    } catch (error) {
      const facts = { directory: this.#options.directory, numbers: this.#numbers, error: String(error) };
      this.#options.logger.warn(facts, 'log_segment_removal_failed');
    } finally {
      this.#running = null;
    }
  }
}
