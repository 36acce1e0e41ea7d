import { CheckpointError } from './checkpoint-error.ts';
import type { CheckpointMeta } from './checkpoint-meta.ts';
import type { CheckpointPlace, Failpoint } from './checkpoint-place.ts';
import { removePath } from './durable-directory.ts';
import type { Slices } from './slices.ts';
import {
  ChunkKind,
  type ParsedChunk,
  parseChunk,
  parseSnapshotHeader,
  snapshotVersion,
} from './snapshot-chunk.ts';
import { invalid, SnapshotWriter } from './snapshot-writer.ts';

/**
 * What became of a chunk:
 * - `taken`: it was the next one.
 * - `duplicate`: it was taken before.
 * - `gap`: one before it is missing.
 * - `damaged`: it is not as it was sent. Ask for it again.
 * - `foreign`: it is of another snapshot than chunk 0 was. Begin with a new receiver.
 */
export type ChunkAnswer = 'taken' | 'duplicate' | 'gap' | 'damaged' | 'foreign';

/** Takes a snapshot in. Nothing of it counts before `install`; the checkpoint in force stays usable until then. */
export interface SnapshotReceiver extends AsyncDisposable {
  /** Number of the chunk that is wanted; ask for the rest from here after a lost connection. */
  readonly next: number;
  /** Of the snapshot that is received; null before chunk 0. */
  readonly id: string | null;
  /** Null before chunk 0. */
  readonly meta: CheckpointMeta | null;
  /** True once the last chunk was taken. */
  readonly isComplete: boolean;
  /**
   * Takes one chunk, and is done with its bytes when it returns. One at a time.
   * @throws CheckpointError `unknown_version`, `snapshot_invalid`, `disk_full`, `io`; the receiver is then of no use.
   */
  accept(bytes: Uint8Array): Promise<ChunkAnswer>;
  /**
   * After the last chunk: checks everything, reads it back, makes it durable, and puts it into the place of the
   * checkpoint. Afterwards `load` gives the new state, and deltas of the old one must not be written any more.
   * @throws CheckpointError `snapshot_invalid`: the checkpoint in force is as before. Any other: it is unusable.
   */
  install(): Promise<CheckpointMeta>;
  /** Gives up what was received, unless it was installed. */
  close(): Promise<void>;
}

export interface SnapshotReceiverOptions {
  readonly place: CheckpointPlace;
  readonly slices: Slices;
  readonly failpoint: Failpoint;
  /** Puts the sealed `checkpoint.new` in force. */
  readonly swap: () => Promise<CheckpointMeta>;
}

export class LevelSnapshotReceiver implements SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  #next = 0;
  #id: string | null = null;
  #meta: CheckpointMeta | null = null;
  #sha256: Buffer | null = null;
  #writer: SnapshotWriter | null = null;
  #failure: Error | null = null;
  #isBusy = false;
  /** From here on its directory belongs to the swap. */
  #isSealed = false;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  get next(): number {
    return this.#next;
  }

  get id(): string | null {
    return this.#id;
  }

  get meta(): CheckpointMeta | null {
    return this.#meta;
  }

  get isComplete(): boolean {
    return this.#sha256 !== null;
  }

  accept(bytes: Uint8Array): Promise<ChunkAnswer> {
    return this.#alone(async () => {
      const chunk = parseChunk(bytes);
      if (chunk === null) return 'damaged';
      if (this.#id !== null && chunk.id !== this.#id) return 'foreign';
      if (chunk.number !== this.#next) return chunk.number < this.#next ? 'duplicate' : 'gap';
      await this.#take(chunk);
      this.#next++;
      await this.#options.failpoint('receive:chunk');
      return 'taken';
    });
  }

  install(): Promise<CheckpointMeta> {
    return this.#alone(async () => {
      if (this.#writer === null || this.#sha256 === null) throw invalid(`it ends before chunk ${this.#next}`);
      await this.#writer.seal(this.#sha256, this.#options.failpoint);
      this.#isSealed = true;
      this.#failure = new CheckpointError('closed', 'This snapshot was installed.');
      return this.#options.swap();
    });
  }

  async close(): Promise<void> {
    this.#failure ??= new CheckpointError('closed', 'The receiver of this snapshot was closed.');
    await this.#writer?.close();
    if (!this.#isSealed) await removePath(this.#options.place.incoming);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #take(chunk: ParsedChunk): Promise<void> {
    const { number, kind, payload } = chunk;
    if (number === 0) return await this.#begin(chunk);
    if (kind === ChunkKind.header || this.#writer === null || this.isComplete) {
      throw invalid(`chunk ${number} cannot follow the one before`);
    }
    if (kind === ChunkKind.records) return await this.#writer.write(payload);
    this.#sha256 = Buffer.from(payload);
  }

  async #begin({ kind, id, payload }: ParsedChunk): Promise<void> {
    const header = kind === ChunkKind.header ? parseSnapshotHeader(payload) : null;
    if (header === null) throw invalid('its first chunk does not say what it is');
    if (header.version !== snapshotVersion) {
      throw new CheckpointError(
        'unknown_version',
        `The snapshot has format version ${header.version}; known is ${snapshotVersion}. Nothing was changed. Take one ` +
          'of a member that runs this version, or run the newer version here.',
      );
    }
    if (header.meta === null) throw invalid('its first chunk is damaged');
    const { place, slices } = this.#options;
    this.#writer = await SnapshotWriter.open(place.incoming, payload, header.meta, slices);
    this.#meta = header.meta;
    this.#id = id;
  }

  async #alone<T>(run: () => Promise<T>): Promise<T> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#isBusy) throw new Error('a receiver takes one chunk at a time');
    this.#isBusy = true;
    try {
      return await run();
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      this.#isBusy = false;
    }
  }
}
