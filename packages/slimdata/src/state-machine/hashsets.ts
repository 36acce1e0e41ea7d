import { HashsetChanges } from './hashset-changes.ts';
import type { Creation, HashsetIdentity, StoredField, StoredHashset } from './stored-state.ts';
import type { Check, FieldRecord, Write } from './transaction.ts';

/**
 * The data: hashset -> field -> record. A Map keeps the order of insertion, which is the order of creation: an
 * update keeps a field's place, a field deleted and set again goes to the end. A hashset without fields does not exist.
 */
export class Hashsets {
  readonly #hashsets = new Map<string, StoredHashset>();
  #changes = new HashsetChanges(0);

  get(hashset: string, field: string): FieldRecord | undefined {
    return this.#hashsets.get(hashset)?.fields.get(field);
  }

  entries(hashset: string): Iterable<readonly [field: string, record: FieldRecord]> {
    return this.#hashsets.get(hashset)?.fields.entries() ?? [];
  }

  size(hashset: string): number {
    return this.#hashsets.get(hashset)?.fields.size ?? 0;
  }

  *hashsets(prefix: string): Iterable<string> {
    for (const name of this.#hashsets.keys()) {
      if (name.startsWith(prefix)) yield name;
    }
  }

  /** Whether `check` holds for a transaction whose entry was proposed in `entryTerm`. */
  holds(check: Check, entryTerm: number): boolean {
    switch (check.check) {
      case 'absent':
        return this.get(check.hashset, check.field) === undefined;
      case 'version':
        return this.get(check.hashset, check.field)?.version === check.version;
      case 'smaller':
        return this.size(check.hashset) < check.count;
      case 'term':
        return check.term === entryTerm;
      case 'empty':
        return this.size(check.hashset) === 0;
    }
  }

  /** Carries out one write of the transaction that is applied, as its creation says. Returns whether anything changed. */
  write(write: Write, creation: Creation): boolean {
    switch (write.write) {
      case 'set':
        this.#set(write.hashset, write.field, write.value, creation);
        return true;
      case 'delete':
        return this.#delete(write.hashset, write.field);
      case 'deleteHashset':
        return this.#drop(this.#hashsets.get(write.hashset));
    }
  }

  /** Hands out what changed since the last freeze; what is written from now on belongs to the next one. */
  freeze(appliedIndex: number): HashsetChanges {
    const frozen = this.#changes;
    this.#changes = new HashsetChanges(appliedIndex);
    return frozen;
  }

  /** Puts back a hashset, and then its fields, in order of creation and before anything is written. */
  restore({ name, createdIndex, createdOrdinal }: HashsetIdentity): StoredHashset | null {
    if (this.#hashsets.has(name)) return null;
    const hashset: StoredHashset = { name, createdIndex, createdOrdinal, fields: new Map() };
    this.#hashsets.set(name, hashset);
    return hashset;
  }

  #set(name: string, fieldName: string, value: Uint8Array, creation: Creation): void {
    const { createdIndex, createdOrdinal } = creation;
    let hashset = this.#hashsets.get(name);
    if (hashset === undefined) {
      hashset = { name, createdIndex, createdOrdinal, fields: new Map() };
      this.#hashsets.set(name, hashset);
    }
    const before = hashset.fields.get(fieldName) ?? null;
    const { createdIndex: since, createdOrdinal: place } = before ?? creation;
    const field: StoredField = {
      value: unshared(value),
      createdIndex: since,
      version: createdIndex,
      createdOrdinal: place,
    };
    hashset.fields.set(fieldName, field);
    this.#changes.field(hashset, fieldName, before, field);
  }

  #delete(name: string, fieldName: string): boolean {
    const hashset = this.#hashsets.get(name);
    const before = hashset?.fields.get(fieldName);
    if (hashset === undefined || before === undefined) return false;
    hashset.fields.delete(fieldName);
    this.#changes.field(hashset, fieldName, before, null);
    if (hashset.fields.size === 0) this.#drop(hashset);
    return true;
  }

  #drop(hashset: StoredHashset | undefined): boolean {
    if (hashset === undefined) return false;
    this.#hashsets.delete(hashset.name);
    this.#changes.drop(hashset);
    return true;
  }
}

/**
 * A value arrives as a view of the frame it was sent in, and would keep all of that frame in memory as long as it
 * lives: one small field per large frame is enough to hold many times the state. A value that is most of its memory
 * stays where it is.
 */
function unshared(value: Uint8Array): Uint8Array {
  if (value.byteLength * 2 >= value.buffer.byteLength) return value;
  const own = Buffer.allocUnsafeSlow(value.byteLength);
  own.set(value);
  return own;
}
