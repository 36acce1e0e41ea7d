import type { StateDelta } from '../state-machine/stored-state.ts';
import {
  type CheckpointMeta,
  encodeFormat,
  encodeMeta,
  formatKey,
  metaKey,
  type SealedMeta,
} from './checkpoint-meta.ts';
import type { Database } from './database.ts';
import { encodeStateRecord } from './record-codec.ts';
import type { Slices } from './slices.ts';
import type { StateDigest, StoredRecord } from './state-digest.ts';

export interface DeltaBatch {
  readonly batch: ReturnType<Database['batch']>;
  readonly meta: SealedMeta;
  /** Records of the state in it. */
  readonly changes: number;
  /** Of their keys and values. */
  readonly bytes: number;
}

/**
 * Collects what one delta changes, and the meta that then holds, into one batch. Costs what changed: the digest gives
 * up what a record was before, as the state machine remembers it, and takes in what it is now.
 */
export async function buildDeltaBatch(
  database: Database,
  delta: StateDelta,
  before: StateDigest,
  configuration: Uint8Array,
  slices: Slices,
): Promise<DeltaBatch> {
  const digest = before.copy();
  const batch = database.batch();
  let bytes = 0;
  for (const change of delta.changes()) {
    const old = change.before && encodeStateRecord(change.before);
    const now = change.after && encodeStateRecord(change.after);
    if (old !== null) digest.remove(old);
    if (now !== null) {
      digest.add(now);
      batch.put(now.key, now.value);
      bytes += bytesOf(now);
    } else if (old !== null) {
      batch.del(old.key);
      bytes += old.key.length;
    }
    if (slices.isSpent(bytesOf(old) + bytesOf(now))) await slices.pause();
  }
  const { appliedIndex, appliedTerm } = delta;
  const changes = batch.length;
  const standing: CheckpointMeta = { appliedIndex, appliedTerm, configuration };
  const meta: SealedMeta = { ...standing, digest };
  putMeta(batch, meta);
  return { batch, meta, changes, bytes };
}

function bytesOf(record: StoredRecord | null): number {
  return record === null ? 0 : record.key.length + record.value.length;
}

/** The records that make a batch complete. */
export function putMeta(batch: ReturnType<Database['batch']>, meta: SealedMeta): void {
  batch.put(formatKey, encodeFormat());
  batch.put(metaKey, encodeMeta(meta));
}
