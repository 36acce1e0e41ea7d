import type { RecordChange, StateRecord, StoredField, StoredHashset } from './stored-state.ts';

interface FieldChange {
  /** As of the last freeze. */
  readonly before: StoredField | null;
  after: StoredField | null;
}

/**
 * Which fields differ from the last freeze, and how they were then. One remark per such field however often it was
 * written, none for a field created and deleted in between, so it never outgrows the state before and after together.
 * Whether something existed at the last freeze is told by its creation: up to `baseIndex` it did.
 */
export class HashsetChanges {
  readonly #baseIndex: number;
  readonly #fields = new Map<StoredHashset, Map<string, FieldChange>>();
  /** Hashsets of the last freeze that are gone. Nobody changes them any more. */
  readonly #dropped = new Set<StoredHashset>();

  constructor(baseIndex: number) {
    this.#baseIndex = baseIndex;
  }

  /** A field of a living hashset was written (`after`) or deleted (null); `before` is what it was right before. */
  field(hashset: StoredHashset, name: string, before: StoredField | null, after: StoredField | null): void {
    let changes = this.#fields.get(hashset);
    if (changes === undefined) {
      changes = new Map();
      this.#fields.set(hashset, changes);
    }
    const known = changes.get(name);
    if (known === undefined) changes.set(name, { before, after });
    else if (known.before === null && after === null) changes.delete(name);
    else known.after = after;
  }

  /** The hashset is gone, with all fields it still has. Costs the same however many these are. */
  drop(hashset: StoredHashset): void {
    if (hashset.createdIndex > this.#baseIndex) this.#fields.delete(hashset);
    else this.#dropped.add(hashset);
  }

  *records(): Iterable<RecordChange> {
    for (const [hashset, changes] of this.#fields) {
      if (this.#dropped.has(hashset)) continue;
      const isNew = hashset.createdIndex > this.#baseIndex;
      if (isNew) yield { before: null, after: { type: 'hashset', hashset } };
      for (const [name, { before, after }] of changes) yield* fieldRecords(hashset, name, before, after);
    }
    for (const hashset of this.#dropped) {
      yield { before: { type: 'hashset', hashset }, after: null };
      yield* this.#droppedFields(hashset);
    }
  }

  *#droppedFields(hashset: StoredHashset): Iterable<RecordChange> {
    const changes = this.#fields.get(hashset);
    for (const [name, field] of hashset.fields) {
      if (!changes?.has(name)) yield { before: fieldRecord(hashset, name, field), after: null };
    }
    for (const [name, { before }] of changes ?? []) yield* fieldRecords(hashset, name, before, null);
  }
}

function* fieldRecords(
  hashset: StoredHashset,
  name: string,
  before: StoredField | null,
  after: StoredField | null,
): Iterable<RecordChange> {
  const old = before && fieldRecord(hashset, name, before);
  const now = after && fieldRecord(hashset, name, after);
  if (before === null || after === null || isSameCreation(before, after)) {
    if (old !== null || now !== null) yield { before: old, after: now };
    return;
  }
  yield { before: old, after: null };
  yield { before: null, after: now };
}

function fieldRecord(hashset: StoredHashset, name: string, field: StoredField): StateRecord {
  return { type: 'field', hashset, name, field };
}

function isSameCreation(a: StoredField, b: StoredField): boolean {
  return a.createdIndex === b.createdIndex && a.createdOrdinal === b.createdOrdinal;
}
