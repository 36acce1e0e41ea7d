import { Level } from 'level';
import { databaseFailure } from './checkpoint-error.ts';
import { isPresent, syncDirectory } from './durable-directory.ts';
import type { Slices } from './slices.ts';
import type { StoredRecord } from './state-digest.ts';
import { checkTables } from './table-check.ts';

export type Database = Level<Buffer, Buffer>;
export type DatabaseSnapshot = ReturnType<Database['snapshot']>;

/** Nobody reads a record twice: the state is served from memory. */
const cacheBytes = 1_048_576;
const readAheadBytes = 65_536;
const recordsPerRead = 250;

/**
 * Opens the LevelDB in `path`, or makes an empty one where there is none. What lies there is checked before.
 * @throws CheckpointError
 */
export async function openDatabase(path: string, slices: Slices): Promise<Database> {
  if (await isPresent(path)) await checkTables(path, slices);
  // Not compressed: the index of a table can then be read without LevelDB, and values are small or opaque anyway.
  const options = {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    cacheSize: cacheBytes,
    compression: false,
  };
  const database: Database = new Level<Buffer, Buffer>(path, options);
  try {
    await database.open();
    await syncDirectory(path);
  } catch (error) {
    await database.close();
    throw databaseFailure(error, path, 'opening checkpoint');
  }
  return database;
}

export interface ReadRange {
  /** First key; keys come in order of their bytes. */
  readonly from: Buffer;
  /** The instant to read; absent = when reading began. */
  readonly snapshot?: DatabaseSnapshot;
}

/** All records of a range, some at a time. The event loop gets its turn between two. */
export async function* readRecords(database: Database, range: ReadRange): AsyncGenerator<StoredRecord[]> {
  const { from, snapshot } = range;
  const options = { gte: from, fillCache: false, highWaterMarkBytes: readAheadBytes };
  const iterator = database.iterator<Buffer, Buffer>(snapshot ? { ...options, snapshot } : options);
  try {
    for (;;) {
      const entries = await iterator.nextv(recordsPerRead);
      if (entries.length === 0) return;
      yield entries.map(([key, value]) => ({ key, value }));
    }
  } finally {
    await iterator.close();
  }
}
