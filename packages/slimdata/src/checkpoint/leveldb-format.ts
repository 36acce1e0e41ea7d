/**
 * The parts of LevelDB's file formats that checking a directory needs
 * (doc/log_format.md, doc/table_format.md and db/version_edit.cc of LevelDB 1.20).
 */

const polynomial = 0x82f63b78;
const byteValues = 256;

/** What a byte does to the checksum when 0, 1, 2 or 3 bytes follow it in the same step ("slicing by four"). */
const [follow0, follow1, follow2, follow3] = crcTables();

function crcTables(): [Uint32Array, Uint32Array, Uint32Array, Uint32Array] {
  const first = new Uint32Array(byteValues).map((_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    return crc;
  });
  const next = (table: Uint32Array) => table.map((crc) => (crc >>> 8) ^ (first[crc & 0xff] as number));
  const [second, third] = [next(first), next(next(first))];
  return [first, second, third, next(third)];
}

/** CRC-32C, changed in the way LevelDB stores it. The casts say what the masks ensure; anything else halves the speed. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let crc = -1;
  let at = 0;
  for (; at + 4 <= view.byteLength; at += 4) {
    const word = crc ^ view.getInt32(at, true);
    crc =
      (follow3[word & 0xff] as number) ^
      (follow2[(word >>> 8) & 0xff] as number) ^
      (follow1[(word >>> 16) & 0xff] as number) ^
      (follow0[word >>> 24] as number);
  }
  for (; at < view.byteLength; at++)
    crc = (follow0[(crc ^ view.getUint8(at)) & 0xff] as number) ^ (crc >>> 8);
  crc = ~crc;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Reads numbers one after the other. @throws RangeError beyond the end, or for a number above 2^53. */
export class VarintReader {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  next(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = this.bytes.readUInt8(this.at++);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a number has too many bytes');
  }

  /** Passes over `size` bytes. */
  skip(size: number): void {
    this.at += size;
    if (this.at > this.bytes.length) throw new RangeError('it ends too early');
  }
}

const logBlockBytes = 32_768;
const logHeadBytes = 7;
const RecordPart = { full: 1, first: 2, middle: 3, last: 4 } as const;

/**
 * The records of a log file, up to the first that is cut short at the end, as by a crash.
 * @throws RangeError for a record that fails its checksum.
 */
export function* logRecords(file: Buffer): Iterable<Buffer> {
  let parts: Buffer[] = [];
  for (let at = 0; at + logHeadBytes <= file.length; ) {
    const left = logBlockBytes - (at % logBlockBytes);
    if (left < logHeadBytes) {
      at += left;
      continue;
    }
    const end = at + logHeadBytes + file.readUInt16LE(at + 4);
    if (end > file.length) return;
    const part = file[at + 6];
    if (maskedCrc32c(file.subarray(at + 6, end)) !== file.readUInt32LE(at)) {
      throw new RangeError(`the record at byte ${at} fails its checksum`);
    }
    if (part === RecordPart.full || part === RecordPart.first) parts = [];
    parts.push(file.subarray(at + logHeadBytes, end));
    if (part === RecordPart.full || part === RecordPart.last) yield Buffer.concat(parts);
    at = end;
  }
}

/** A file of sorted records that belongs to the database. */
export interface TableFile {
  readonly number: number;
  readonly bytes: number;
}

const EditTag = {
  comparator: 1,
  logNumber: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLog: 9,
} as const;

/** Carries out one record of a manifest on the set of tables. @throws RangeError */
export function applyVersionEdit(edit: Buffer, tables: Map<number, TableFile>): void {
  const reader = new VarintReader(edit);
  while (reader.at < edit.length) {
    const tag = reader.next();
    switch (tag) {
      case EditTag.comparator:
        reader.skip(reader.next());
        break;
      case EditTag.logNumber:
      case EditTag.nextFile:
      case EditTag.lastSequence:
      case EditTag.previousLog:
        reader.next();
        break;
      case EditTag.compactPointer:
        reader.next();
        reader.skip(reader.next());
        break;
      case EditTag.deletedFile:
        reader.next();
        tables.delete(reader.next());
        break;
      case EditTag.newFile: {
        reader.next();
        const number = reader.next();
        tables.set(number, { number, bytes: reader.next() });
        reader.skip(reader.next());
        reader.skip(reader.next());
        break;
      }
      default:
        throw new RangeError(`it has an entry of unknown kind ${tag}`);
    }
  }
}

/** Where a block of a table lies; behind its bytes come a kind (1) and a checksum (4). */
export interface BlockHandle {
  readonly offset: number;
  readonly bytes: number;
}

export const blockTrailerBytes = 5;
export const tableFooterBytes = 48;
const tableMagic = Buffer.from('57fb808b247547db', 'hex');

/** @throws RangeError */
export function parseTableFooter(footer: Buffer): {
  readonly metaIndex: BlockHandle;
  readonly index: BlockHandle;
} {
  if (!footer.subarray(-tableMagic.length).equals(tableMagic))
    throw new RangeError('its last bytes are wrong');
  const reader = new VarintReader(footer);
  const metaIndex = { offset: reader.next(), bytes: reader.next() };
  return { metaIndex, index: { offset: reader.next(), bytes: reader.next() } };
}

/** The blocks that an index block lists; its bytes without the trailer, not compressed. @throws RangeError */
export function parseIndexBlock(block: Buffer): BlockHandle[] {
  const restarts = block.readUInt32LE(block.length - 4);
  const end = block.length - 4 - 4 * restarts;
  const handles: BlockHandle[] = [];
  const reader = new VarintReader(block);
  while (reader.at < end) {
    reader.next();
    const keyBytes = reader.next();
    const valueBytes = reader.next();
    reader.skip(keyBytes);
    const valueEnd = reader.at + valueBytes;
    handles.push({ offset: reader.next(), bytes: reader.next() });
    reader.at = valueEnd;
  }
  return handles;
}

export function tableName(number: number): string {
  return `${String(number).padStart(6, '0')}.ldb`;
}
