import type { Check, FieldRecord, Write } from './transaction.ts';

/**
 * The data: hashset -> field -> record. A Map keeps the order of insertion, which is the order of creation: an
 * update keeps a field's place, a field deleted and set again goes to the end. A hashset without fields does not exist.
 */
export class Hashsets {
  readonly #hashsets = new Map<string, Map<string, FieldRecord>>();

  get(hashset: string, field: string): FieldRecord | undefined {
    return this.#hashsets.get(hashset)?.get(field);
  }

  entries(hashset: string): Iterable<readonly [field: string, record: FieldRecord]> {
    return this.#hashsets.get(hashset)?.entries() ?? [];
  }

  size(hashset: string): number {
    return this.#hashsets.get(hashset)?.size ?? 0;
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

  /** Carries out one write at log index `index`. Returns whether anything changed. */
  write(write: Write, index: number): boolean {
    switch (write.write) {
      case 'set':
        this.#set(write.hashset, write.field, write.value, index);
        return true;
      case 'delete':
        return this.#delete(write.hashset, write.field);
      case 'deleteHashset':
        return this.#hashsets.delete(write.hashset);
    }
  }

  #set(hashset: string, field: string, value: Uint8Array, index: number): void {
    let fields = this.#hashsets.get(hashset);
    if (fields === undefined) {
      fields = new Map();
      this.#hashsets.set(hashset, fields);
    }
    const createdIndex = fields.get(field)?.createdIndex ?? index;
    fields.set(field, { value, createdIndex, version: index });
  }

  #delete(hashset: string, field: string): boolean {
    const fields = this.#hashsets.get(hashset);
    if (fields === undefined || !fields.delete(field)) return false;
    if (fields.size === 0) this.#hashsets.delete(hashset);
    return true;
  }
}
