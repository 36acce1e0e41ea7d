import { join } from 'node:path';
import type { Logger } from '../logger.ts';
import { blockBytes } from './block.ts';
import type { FileSystem } from './file-system.ts';
import { preparedSegmentName, segmentName } from './segment-name.ts';

export interface SegmentSupplyOptions {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
  readonly segmentBytes: number;
}

interface PreparedSegment {
  readonly number: number;
  readonly bytes: number;
}

const sliceBytes = 512 * blockBytes;

/**
 * Prepares segments ahead of their use: filled with zeros (Node has no posix_fallocate, and unwritten extents would make
 * every fdatasync write metadata too), durable, and durable under their final name. From then on a write into one needs
 * fdatasync only, and every block of it is either zero or ours.
 */
export class SegmentSupply {
  readonly #options: SegmentSupplyOptions;
  readonly #zeros: Buffer;
  #ready: PreparedSegment | null;
  #preparing: Promise<void> | null = null;
  /** Each segment is tried once in the background: a full disk is not filled again and again. */
  #begun = 0;
  #isStopped = false;

  constructor(options: SegmentSupplyOptions, ready: PreparedSegment | null) {
    this.#options = options;
    this.#ready = ready;
    this.#zeros = Buffer.alloc(Math.min(sliceBytes, options.segmentBytes));
  }

  /**
   * Begins to prepare this segment unless it is there already. A failure is only reported: nothing is stored in it yet,
   * so `take` may safely begin anew with an empty file.
   */
  begin(number: number): void {
    if (this.#ready?.number === number || this.#begun === number || this.#isStopped) return;
    this.#begun = number;
    this.#preparing = this.#prepare(number, this.#options.segmentBytes)
      .catch((error: unknown) => {
        this.#options.logger.warn({ number, error: String(error) }, 'log_segment_preparation_failed');
      })
      .finally(() => {
        this.#preparing = null;
      });
  }

  /** Waits for this segment and hands it over; at least `bytesMin` long. Returns its size. */
  async take(number: number, bytesMin: number): Promise<number> {
    await this.#preparing;
    if (this.#ready?.number !== number || this.#ready.bytes < bytesMin) {
      await this.#prepare(number, Math.max(bytesMin, this.#options.segmentBytes));
    }
    const bytes = this.#ready?.bytes ?? 0;
    this.#ready = null;
    return bytes;
  }

  /** Gives up a preparation under way; its file is removed by the next opening. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#preparing;
  }

  async #prepare(number: number, bytes: number): Promise<void> {
    const { directory, fileSystem } = this.#options;
    const path = join(directory, preparedSegmentName(number));
    const file = await fileSystem.create(path);
    try {
      for (let offset = 0; offset < bytes; offset += this.#zeros.length) {
        if (this.#isStopped) return;
        await file.write(this.#zeros.subarray(0, Math.min(this.#zeros.length, bytes - offset)), offset);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await fileSystem.rename(path, join(directory, segmentName(number)));
    await fileSystem.syncDirectory(directory);
    this.#ready = { number, bytes };
  }
}
