import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { CheckpointError, corruptCheckpoint, databaseFailure } from './checkpoint-error.ts';
import type { CheckpointMeta, SealedMeta } from './checkpoint-meta.ts';
import type { Database, DatabaseSnapshot } from './database.ts';
import { firstStateKey } from './record-codec.ts';
import { RecordStream, type StreamPosition } from './record-stream.ts';
import { Slices } from './slices.ts';
import {
  ChunkKind,
  encodeChunk,
  encodeSnapshotHeader,
  type SnapshotChunk,
  snapshotIdOf,
} from './snapshot-chunk.ts';
import { StateDigest } from './state-digest.ts';

/** One checkpoint, held as it was while the next ones are written, to be sent to a peer or saved to a file. */
export interface SnapshotReader extends AsyncDisposable {
  /** Equal only for equal chunks, also of another member: a receiver may go on with them where it stopped. */
  readonly id: string;
  readonly meta: CheckpointMeta;
  /**
   * The chunks from `fromChunk` on, in order; none when there are not so many. May be opened again and again, but not
   * while an earlier opening has not ended.
   * @throws CheckpointError `expired`, `closed`, or `corrupt` when this member's own checkpoint turns out damaged.
   */
  open(fromChunk: number): AsyncIterable<SnapshotChunk>;
  close(): Promise<void>;
}

export interface SnapshotReaderOptions {
  readonly database: Database;
  readonly meta: SealedMeta;
  /** Bytes of records in a chunk. */
  readonly payloadBytes: number;
  readonly idleMs: number;
  readonly sliceMs: number;
  readonly now: () => number;
  readonly after: (delayMs: number, run: () => void) => () => void;
  readonly onClosed: () => void;
}

/**
 * Holds a LevelDB snapshot until it is closed or was not read for `idleMs`: what is held back from compaction costs
 * disk. Remembers where each chunk began, which is 40 bytes each, so that any of them can be read again.
 */
export class LevelSnapshotReader implements SnapshotReader {
  readonly id: string;
  readonly meta: CheckpointMeta;
  readonly #options: SnapshotReaderOptions;
  readonly #snapshot: DatabaseSnapshot;
  readonly #header: Buffer;
  /** Of chunks 1, 2, ...: as far as they have been read. */
  readonly #positions: StreamPosition[] = [{ key: firstStateKey, skip: 0 }];
  #digest = new StateDigest();
  readonly #sha256 = createHash('sha256');
  #end: Buffer | null = null;
  #stream: RecordStream | null = null;
  #stopIdling: () => void;
  #closed: CheckpointError | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: SnapshotReaderOptions) {
    this.#options = options;
    this.meta = options.meta;
    this.#snapshot = options.database.snapshot();
    this.#header = encodeSnapshotHeader(options.meta, options.payloadBytes);
    this.#sha256.update(this.#header);
    this.id = snapshotIdOf(this.#header);
    this.#stopIdling = this.#idle();
  }

  async *open(fromChunk: number): AsyncGenerator<SnapshotChunk> {
    this.#read();
    if (fromChunk <= 0) yield this.#chunk(0, ChunkKind.header, this.#header);
    let number = Math.min(Math.max(fromChunk, 1), this.#positions.length);
    for await (const payload of this.#payloads(number)) {
      if (number >= fromChunk) yield this.#chunk(number, ChunkKind.records, payload);
      number++;
    }
    if (number >= fromChunk) yield this.#chunk(number, ChunkKind.end, this.#endPayload());
  }

  close(): Promise<void> {
    return this.#close(new CheckpointError('closed', `Snapshot ${this.id} was closed.`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async *#payloads(firstChunk: number): AsyncGenerator<Buffer> {
    const { database, payloadBytes, sliceMs, now } = this.#options;
    const from = this.#positions[firstChunk - 1];
    this.#read();
    // Behind the last record there is no position; an empty state has none at all.
    if (from === undefined) return;
    assert(this.#stream === null, `snapshot ${this.id} is read by one at a time`);
    const stream = new RecordStream(database, this.#snapshot, from, new Slices(sliceMs, now));
    this.#stream = stream;
    try {
      for (let number = firstChunk; ; number++) {
        const isNew = number === this.#positions.length && this.#end === null;
        const digest = this.#digest.copy();
        const taken = await stream.take(payloadBytes, (record) => isNew && digest.add(record));
        this.#read();
        if (taken === null) return;
        if (isNew) this.#extend(taken.bytes, taken.end, digest);
        yield taken.bytes;
        this.#read();
        if (taken.end === null) return;
      }
    } catch (error) {
      throw this.#closed ?? databaseFailure(error, database.location, 'reading checkpoint');
    } finally {
      this.#stream = null;
      await stream.close();
    }
  }

  /** A chunk was read for the first time. */
  #extend(bytes: Buffer, end: StreamPosition | null, digest: StateDigest): void {
    this.#sha256.update(bytes);
    this.#digest = digest;
    if (end === null) this.#seal();
    else this.#positions.push({ key: Buffer.from(end.key), skip: end.skip });
  }

  /** Everything was read once: whether it is what was written shows now, before a peer takes it over. */
  #seal(): Buffer {
    const { database, meta } = this.#options;
    if (!this.#digest.equals(meta.digest)) {
      throw corruptCheckpoint(database.location, 'what was read for a snapshot is not what was written');
    }
    this.#end = this.#sha256.digest();
    return this.#end;
  }

  #endPayload(): Buffer {
    return this.#end ?? this.#seal();
  }

  #chunk(number: number, kind: ChunkKind, payload: Buffer): SnapshotChunk {
    return encodeChunk(number, kind, this.id, payload);
  }

  /** Notes that somebody reads. */
  #read(): void {
    if (this.#closed !== null) throw this.#closed;
    this.#stopIdling();
    this.#stopIdling = this.#idle();
  }

  #idle(): () => void {
    const { idleMs, after } = this.#options;
    const text = `Snapshot ${this.id} was not read for ${idleMs} ms and is no longer held. Begin with a new one.`;
    return after(idleMs, () => void this.#close(new CheckpointError('expired', text)));
  }

  #close(reason: CheckpointError): Promise<void> {
    this.#closed ??= reason;
    this.#closing ??= this.#release();
    return this.#closing;
  }

  async #release(): Promise<void> {
    this.#stopIdling();
    await this.#stream?.close();
    await this.#snapshot.close();
    this.#options.onClosed();
  }
}
