import { join } from 'node:path';
import type { Logger } from '../logger.ts';
import { blockBytes } from './block.ts';
import type { FileSystem } from './file-system.ts';
import { isDiskFull } from './log-error.ts';
import { preparedSegmentName, segmentName } from './segment-name.ts';
import { removeFile } from './segment-removal.ts';

/** Runs `run` once after `delayMs` milliseconds; returns what cancels it. */
export type After = (delayMs: number, run: () => void) => () => void;

export interface SegmentSupplyOptions {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
  readonly segmentBytes: number;
  readonly after: After;
  /** Called when an attempt in the background is over, however it went. */
  readonly onChange: () => void;
}

interface PreparedSegment {
  readonly number: number;
  readonly bytes: number;
}

const sliceBytes = 512 * blockBytes;
/** Waits between attempts while there is no room: doubled with each, up to the longest. */
const retryDelayMsMin = 1_000;
const retryDelayMsMax = 16_000;

/**
 * Prepares segments ahead of their use: filled with zeros (Node has no posix_fallocate, and unwritten extents would make
 * every fdatasync write metadata too), durable, and durable under their final name. From then on a write into one needs
 * fdatasync only, and every block of it is either zero or ours.
 *
 * So this is the one place where the log asks for space, and where a full disk is an answer, not an error: what was
 * written of the new file is worthless, so it is deleted (others need the room too) and tried anew later. Everywhere
 * else space is overwritten that is there already. Should a file system run out of room even so (it copies on write, or
 * is thinly provisioned), that is a failed write like any other: the kernel may have dropped what it had accepted, so
 * trying again could acknowledge what is nowhere.
 */
export class SegmentSupply {
  readonly #options: SegmentSupplyOptions;
  readonly #zeros: Buffer;
  #ready: PreparedSegment | null;
  /** What was asked for and is not ready yet. */
  #wanted: PreparedSegment | null = null;
  #preparing: Promise<void> | null = null;
  #isShort = false;
  #isStopped = false;
  #retryDelayMs = retryDelayMsMin;
  #cancelRetry: () => void = () => {};

  constructor(options: SegmentSupplyOptions, ready: PreparedSegment | null) {
    this.#options = options;
    this.#ready = ready;
    this.#zeros = Buffer.alloc(Math.min(sliceBytes, options.segmentBytes));
  }

  /** There was no room at the last attempt; a further one will follow. */
  get isShort(): boolean {
    return this.#isShort;
  }

  /**
   * Begins to prepare this segment unless it is there already. A failure is only reported: nothing is stored in it yet,
   * so `take` may safely begin anew with an empty file.
   */
  begin(number: number): void {
    if (this.#ready?.number === number || this.#wanted?.number === number) return;
    this.#wanted = { number, bytes: this.#options.segmentBytes };
    this.#beginAttempt();
  }

  /** Hands over this segment, at least `bytesMin` long, and returns its size; null while there is no room. */
  async take(number: number, bytesMin: number): Promise<number | null> {
    while (this.#preparing !== null) await this.#preparing;
    if (!this.#isReady(number, bytesMin)) {
      this.#wanted = { number, bytes: Math.max(bytesMin, this.#options.segmentBytes) };
      if (!this.#isShort) await this.#attempt(this.#wanted);
    }
    const ready = this.#ready;
    if (ready === null || !this.#isReady(number, bytesMin)) return null;
    this.#ready = null;
    return ready.bytes;
  }

  /** There may be room now: tries at once if that is awaited. */
  hurry(): void {
    if (!this.#isShort) return;
    this.#cancelRetry();
    this.#retryDelayMs = retryDelayMsMin;
    this.#beginAttempt();
  }

  /** Gives up a preparation under way, and leaves nothing of it. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelRetry();
    await this.#preparing;
  }

  #isReady(number: number, bytesMin: number): boolean {
    return this.#ready?.number === number && this.#ready.bytes >= bytesMin;
  }

  #beginAttempt(): void {
    const wanted = this.#wanted;
    if (wanted === null || this.#preparing !== null || this.#isStopped) return;
    this.#preparing = this.#attempt(wanted)
      .catch((error: unknown) => {
        const facts = { number: wanted.number, error: String(error) };
        this.#options.logger.warn(facts, 'log_segment_preparation_failed');
      })
      .finally(() => {
        this.#preparing = null;
        this.#options.onChange();
      });
  }

  /** Rejects for any other reason than a full disk. */
  async #attempt(wanted: PreparedSegment): Promise<void> {
    let hasRoom = true;
    try {
      hasRoom = await this.#prepare(wanted);
    } finally {
      // After any other failure nothing is waited for: the next `take` meets it.
      this.#isShort = !hasRoom && !this.#isStopped;
    }
    if (this.#isStopped) return;
    if (hasRoom) {
      this.#retryDelayMs = retryDelayMsMin;
      return;
    }
    this.#cancelRetry = this.#options.after(this.#retryDelayMs, () => this.#beginAttempt());
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, retryDelayMsMax);
  }

  /** False when there is no room for it, or no time; then nothing is left of it. */
  async #prepare({ number, bytes }: PreparedSegment): Promise<boolean> {
    const { directory, fileSystem } = this.#options;
    // Asked first, so that a disk that is nearly full is not filled to the brim again and again.
    if ((await fileSystem.freeBytes(directory)) < bytes) return false;
    const path = join(directory, preparedSegmentName(number));
    try {
      await this.#fill(path, bytes);
      if (this.#isStopped) {
        await this.#discard(path);
        return false;
      }
      await fileSystem.rename(path, join(directory, segmentName(number)));
      await fileSystem.syncDirectory(directory);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      await this.#discard(path);
      return false;
    }
    this.#ready = { number, bytes };
    this.#wanted = null;
    return true;
  }

  async #fill(path: string, bytes: number): Promise<void> {
    const file = await this.#options.fileSystem.create(path);
    try {
      for (let offset = 0; offset < bytes; offset += this.#zeros.length) {
        if (this.#isStopped) return;
        await file.write(this.#zeros.subarray(0, Math.min(this.#zeros.length, bytes - offset)), offset);
      }
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #discard(path: string): Promise<void> {
    try {
      await removeFile(this.#options.fileSystem, path);
    } catch (error) {
      // The next attempt empties it.
      this.#options.logger.warn({ path, error: String(error) }, 'log_segment_discard_failed');
    }
  }
}
