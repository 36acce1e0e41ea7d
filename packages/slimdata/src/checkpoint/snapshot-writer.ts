import { createHash, type Hash } from 'node:crypto';
import { commandBytesMax } from '../state-machine/limits.ts';
import { verifyRecords } from './checkpoint-content.ts';
import { CheckpointError, databaseFailure } from './checkpoint-error.ts';
import type { SealedMeta } from './checkpoint-meta.ts';
import type { Failpoint } from './checkpoint-place.ts';
import { type Database, openDatabase } from './database.ts';
import { putMeta } from './delta-batch.ts';
import { removePath, syncFiles } from './durable-directory.ts';
import { keyBytesMax, parseStateRecord } from './record-codec.ts';
import { parseRecordFrame } from './record-stream.ts';
import type { Slices } from './slices.ts';
import { StateDigest, type StoredRecord } from './state-digest.ts';

/** More than any value with what is stored beside it. */
const limits = { key: keyBytesMax, value: 2 * commandBytesMax };

/**
 * Makes a new checkpoint out of the stream of records of a snapshot. Holds one chunk and one record in memory. Only
 * `seal` makes it a checkpoint: before, it has no meta and is nothing.
 */
export class SnapshotWriter {
  readonly #path: string;
  readonly #meta: SealedMeta;
  readonly #slices: Slices;
  readonly #sha256: Hash = createHash('sha256');
  readonly #digest = new StateDigest();
  #database: Database;
  /** Beginning of a record that goes on in the next chunk. */
  #rest: Buffer = Buffer.alloc(0);
  #lastKey: Buffer = Buffer.alloc(0);

  private constructor(database: Database, header: Buffer, meta: SealedMeta, slices: Slices) {
    this.#path = database.location;
    this.#database = database;
    this.#meta = meta;
    this.#slices = slices;
    this.#sha256.update(header);
  }

  /** Begins in an empty directory, whatever was there. */
  static async open(path: string, header: Buffer, meta: SealedMeta, slices: Slices): Promise<SnapshotWriter> {
    await removePath(path);
    return new SnapshotWriter(await openDatabase(path, slices), header, meta, slices);
  }

  /** Writes the records that end in `payload`. @throws CheckpointError */
  async write(payload: Buffer): Promise<void> {
    this.#slices.resume();
    this.#sha256.update(payload);
    const bytes = this.#rest.length === 0 ? payload : Buffer.concat([this.#rest, payload]);
    const batch = this.#database.batch();
    let at = 0;
    for (;;) {
      const frame = this.#parse(bytes, at);
      if (frame === null) break;
      this.#take(frame.record);
      batch.put(frame.record.key, frame.record.value);
      at += frame.size;
      if (this.#slices.isSpent(frame.size)) await this.#slices.pause();
    }
    // A copy: the chunk is the caller's again.
    this.#rest = Buffer.from(bytes.subarray(at));
    try {
      await batch.write();
    } catch (error) {
      throw databaseFailure(error, this.#path, 'writing received checkpoint');
    }
  }

  /**
   * Checks that all arrived, reads back what was written, and makes it durable.
   * @throws CheckpointError `snapshot_invalid` when it is not what its sender sealed.
   */
  async seal(sha256: Buffer, failpoint: Failpoint): Promise<void> {
    if (this.#rest.length > 0) throw invalid('it ends within a record');
    if (!this.#sha256.digest().equals(sha256)) throw invalid('its SHA-256 is not that of what was sent');
    if (!this.#digest.equals(this.#meta.digest))
      throw invalid('its records are not those its header announces');
    try {
      const batch = this.#database.batch();
      putMeta(batch, this.#meta);
      await batch.write({ sync: true });
      await failpoint('receive:sealed');
      await this.#database.close();
      this.#database = await openDatabase(this.#path, this.#slices);
      await verifyRecords(this.#database, this.#meta, this.#slices, () => true);
      await this.#database.close();
      // What was written without sync may lie in files that LevelDB never synced, now that it has begun new ones.
      await syncFiles(this.#path);
    } catch (error) {
      throw databaseFailure(error, this.#path, 'sealing received checkpoint');
    }
    await failpoint('receive:durable');
  }

  async close(): Promise<void> {
    await this.#database.close();
  }

  #parse(bytes: Buffer, at: number): ReturnType<typeof parseRecordFrame> {
    try {
      return parseRecordFrame(bytes, at, limits);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw invalid(`it has ${error.message}`);
    }
  }

  #take(record: StoredRecord): void {
    const { key } = record;
    if (Buffer.compare(this.#lastKey, key) >= 0)
      throw invalid(`record ${key.toString('hex')} is out of order`);
    if (parseStateRecord(record) === null) throw invalid(`record ${key.toString('hex')} makes no sense`);
    this.#lastKey = Buffer.from(key);
    this.#digest.add(record);
  }
}

export function invalid(reason: string): CheckpointError {
  const text = `The snapshot is not valid: ${reason}. What was received of it is given up; ask another member.`;
  return new CheckpointError('snapshot_invalid', text);
}
