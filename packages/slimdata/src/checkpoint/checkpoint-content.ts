import { StateImage } from '../state-machine/state-image.ts';
import type { StateMachine } from '../state-machine/state-machine.ts';
import type { StateRecord } from '../state-machine/stored-state.ts';
import { corruptCheckpoint } from './checkpoint-error.ts';
import { checkFormat, formatKey, metaKey, parseMeta, type SealedMeta } from './checkpoint-meta.ts';
import { type Database, readRecords } from './database.ts';
import { firstStateKey, parseStateRecord } from './record-codec.ts';
import type { Slices } from './slices.ts';
import { StateDigest } from './state-digest.ts';

/** Reads where the checkpoint in `database` stands; null when nothing was ever written to it. */
export async function readMeta(database: Database): Promise<SealedMeta | null> {
  const path = database.location;
  const [format, value] = await database.getMany([formatKey, metaKey]);
  if (format === undefined && value === undefined) {
    const [first] = await database.keys({ limit: 1 }).all();
    if (first === undefined) return null;
  }
  checkFormat(format, path);
  const meta = value === undefined ? null : parseMeta(value);
  if (meta === null)
    throw corruptCheckpoint(path, 'the record that tells where it stands is missing or damaged');
  return meta;
}

/**
 * Reads every record and checks that together they are what `meta` was sealed over. LevelDB by itself drops or returns
 * damaged records without a word.
 * @throws CheckpointError `corrupt`
 */
export async function verifyRecords(
  database: Database,
  meta: SealedMeta,
  slices: Slices,
  visit: (record: StateRecord) => boolean,
): Promise<void> {
  const path = database.location;
  const digest = new StateDigest();
  for await (const records of readRecords(database, { from: firstStateKey })) {
    slices.resume();
    for (const stored of records) {
      digest.add(stored);
      const record = parseStateRecord(stored);
      if (record === null || !visit(record)) {
        throw corruptCheckpoint(path, `record ${stored.key.toString('hex')} makes no sense where it stands`);
      }
      if (slices.isSpent(stored.value.length)) await slices.pause();
    }
  }
  if (digest.equals(meta.digest)) return;
  throw corruptCheckpoint(
    path,
    `its ${digest.records} records (${digest.bytes} bytes) are not the ${meta.digest.records} records ` +
      `(${meta.digest.bytes} bytes) that were written up to index ${meta.appliedIndex}`,
  );
}

/** The state machine as it was when the checkpoint was written. @throws CheckpointError `corrupt` */
export async function loadState(database: Database, meta: SealedMeta, slices: Slices): Promise<StateMachine> {
  const image = new StateImage(meta.appliedIndex, meta.appliedTerm);
  await verifyRecords(database, meta, slices, (record) => image.add(record));
  const stateMachine = image.build();
  if (stateMachine === null) throw corruptCheckpoint(database.location, 'its records are not a whole state');
  return stateMachine;
}
