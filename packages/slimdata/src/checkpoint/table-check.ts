import { type FileHandle, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { corruptCheckpoint } from './checkpoint-error.ts';
import {
  applyVersionEdit,
  type BlockHandle,
  blockTrailerBytes,
  logRecords,
  maskedCrc32c,
  parseIndexBlock,
  parseTableFooter,
  type TableFile,
  tableFooterBytes,
  tableName,
} from './leveldb-format.ts';
import type { Slices } from './slices.ts';

/** Blocks lie one behind the other and are read together up to this. */
const readBytesMax = 1_048_576;
const dataFile = /\.(ldb|sst|log)$/;

/**
 * Checks the checksum of every block of every table in a LevelDB directory that nobody has open. LevelDB itself does
 * not: what it reads out of damaged blocks it hands out, merges into new tables, or trips over in native code, where a
 * failed assertion ends the process without telling what to do. Its log and manifest it does check.
 * @throws CheckpointError `corrupt`
 */
export async function checkTables(path: string, slices: Slices): Promise<void> {
  const names = new Set(await readdir(path));
  if (!names.has('CURRENT')) {
    // LevelDB would take the directory for a new one and delete what is there.
    if (![...names].some((name) => dataFile.test(name))) return;
    throw corruptCheckpoint(path, 'it has data files, but the file CURRENT is missing');
  }
  for (const table of await liveTables(path)) {
    const name = tableName(table.number);
    if (!names.has(name)) throw corruptCheckpoint(path, `its file ${name} is missing`);
    await describing(path, name, () => checkTable(join(path, name), table, slices));
  }
}

/** The tables that the manifest names; a crash may leave others, half-written, which LevelDB removes. */
async function liveTables(path: string): Promise<Iterable<TableFile>> {
  const tables = new Map<number, TableFile>();
  const name = (await readFile(join(path, 'CURRENT'), 'latin1')).trimEnd();
  if (!/^MANIFEST-\d+$/.test(name)) throw corruptCheckpoint(path, 'its file CURRENT names no manifest');
  await describing(path, name, async () => {
    for (const edit of logRecords(await readFile(join(path, name)))) applyVersionEdit(edit, tables);
  });
  return tables.values();
}

async function describing(path: string, name: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw corruptCheckpoint(path, `its file ${name} cannot be read: ${cause.message}`, { cause });
  }
}

async function checkTable(path: string, table: TableFile, slices: Slices): Promise<void> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    if (size < table.bytes || size < tableFooterBytes) throw new RangeError(`it has only ${size} bytes`);
    const footer = await readExactly(handle, table.bytes - tableFooterBytes, tableFooterBytes);
    const { metaIndex, index } = parseTableFooter(footer);
    const indexed: BlockHandle[] = [];
    for (const block of [index, metaIndex]) {
      const end = block.offset + block.bytes + blockTrailerBytes;
      if (end > table.bytes) throw new RangeError('its footer points outside');
      const bytes = await readExactly(handle, block.offset, block.bytes + blockTrailerBytes);
      checkBlock(bytes, block.offset);
      if (bytes[block.bytes] !== 0) throw new RangeError('its index is compressed');
      indexed.push(...parseIndexBlock(bytes.subarray(0, block.bytes)));
    }
    await checkBlocks(
      handle,
      indexed.sort((a, b) => a.offset - b.offset),
      slices,
    );
  } finally {
    await handle.close();
  }
}

async function checkBlocks(
  handle: FileHandle,
  blocks: readonly BlockHandle[],
  slices: Slices,
): Promise<void> {
  let start = 0;
  let bytes: Buffer = Buffer.alloc(0);
  for (const block of blocks) {
    const size = block.bytes + blockTrailerBytes;
    if (block.offset + size > start + bytes.length) {
      start = block.offset;
      bytes = await readExactly(handle, start, Math.max(size, readBytesMax), size);
      slices.resume();
    }
    checkBlock(bytes.subarray(block.offset - start, block.offset - start + size), block.offset);
    if (slices.isSpent(size)) await slices.pause();
  }
}

function checkBlock(block: Buffer, offset: number): void {
  const end = block.length - 4;
  if (maskedCrc32c(block.subarray(0, end)) === block.readUInt32LE(end)) return;
  throw new RangeError(`the block at byte ${offset} fails its checksum`);
}

/** Up to `size` bytes, and no fewer than `least`. */
async function readExactly(handle: FileHandle, offset: number, size: number, least = size): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(size);
  let done = 0;
  while (done < size) {
    const { bytesRead } = await handle.read(bytes, done, size - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  if (done < least) throw new RangeError('it is shorter than it should be');
  return bytes.subarray(0, done);
}
