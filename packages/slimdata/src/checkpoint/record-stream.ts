import type { Database, DatabaseSnapshot } from './database.ts';
import { readRecords } from './database.ts';
import type { Slices } from './slices.ts';
import type { StoredRecord } from './state-digest.ts';

/** A place in the stream of records: a key, and how many bytes of its record lie before. */
export interface StreamPosition {
  readonly key: Buffer;
  readonly skip: number;
}

const frameBytes = 1 + 4;

/** A record in a stream: length of the key (1) | key | length of the value (4) | value. */
function encodeRecordFrame({ key, value }: StoredRecord): Buffer {
  const frame = Buffer.allocUnsafe(frameBytes + key.length + value.length);
  let at = frame.writeUInt8(key.length, 0);
  at += key.copy(frame, at);
  value.copy(frame, frame.writeUInt32BE(value.length, at));
  return frame;
}

/**
 * The first record in `bytes` and the size of its frame; null when it is not all there. Views, not copies.
 * @throws RangeError when what is there cannot be the beginning of a record.
 */
export function parseRecordFrame(
  bytes: Buffer,
  at: number,
  limits: { readonly key: number; readonly value: number },
): { readonly record: StoredRecord; readonly size: number } | null {
  const keyLength = bytes[at];
  if (keyLength === undefined) return null;
  if (keyLength > limits.key) throw new RangeError(`a key of ${keyLength} bytes`);
  const valueAt = at + frameBytes + keyLength;
  if (bytes.length < valueAt) return null;
  const valueLength = bytes.readUInt32BE(valueAt - 4);
  if (valueLength > limits.value) throw new RangeError(`a value of ${valueLength} bytes`);
  if (bytes.length < valueAt + valueLength) return null;
  const key = bytes.subarray(at + 1, valueAt - 4);
  const value = bytes.subarray(valueAt, valueAt + valueLength);
  return { record: { key, value }, size: frameBytes + keyLength + valueLength };
}

/** Cuts the records of a database, from any place on, into pieces of equal size. */
export class RecordStream {
  readonly #batches: AsyncGenerator<StoredRecord[]>;
  readonly #slices: Slices;
  #skip: number;
  #records: StoredRecord[] = [];
  #next = 0;

  constructor(database: Database, snapshot: DatabaseSnapshot, from: StreamPosition, slices: Slices) {
    this.#batches = readRecords(database, { from: from.key, snapshot });
    this.#skip = from.skip;
    this.#slices = slices;
  }

  /**
   * The next `size` bytes, fewer at the end, and where they end; null behind the end.
   * `ended` is told each record whose last byte is among them.
   */
  async take(
    size: number,
    ended: (record: StoredRecord) => void,
  ): Promise<{ readonly bytes: Buffer; readonly end: StreamPosition | null } | null> {
    const bytes = Buffer.allocUnsafe(size);
    let filled = 0;
    for (;;) {
      const record = await this.#current();
      if (record === null) return filled === 0 ? null : { bytes: bytes.subarray(0, filled), end: null };
      if (filled === size) return { bytes, end: { key: record.key, skip: this.#skip } };
      const frame = encodeRecordFrame(record);
      const taken = frame.copy(bytes, filled, this.#skip);
      filled += taken;
      this.#skip += taken;
      if (this.#skip === frame.length) {
        this.#skip = 0;
        this.#next++;
        ended(record);
      }
      if (this.#slices.isSpent(taken)) await this.#slices.pause();
    }
  }

  async close(): Promise<void> {
    await this.#batches.return(undefined);
  }

  async #current(): Promise<StoredRecord | null> {
    if (this.#next === this.#records.length) {
      const { value, done } = await this.#batches.next();
      if (done) return null;
      this.#slices.resume();
      this.#records = value;
      this.#next = 0;
    }
    return this.#records[this.#next] ?? null;
  }
}
