import { Hashsets } from './hashsets.ts';
import { type SessionLimits, SessionTable, sessionLimits } from './session-table.ts';
import { StateMachine } from './state-machine.ts';
import type { Creation, StateRecord, StoredField, StoredHashset, StoredSession } from './stored-state.ts';
import { ValueSlabs } from './value-slabs.ts';

/**
 * Puts a state machine together again from its records: each hashset before its fields, all in order of creation,
 * sessions in any order. Refuses what no state machine can have been taken apart into.
 */
export class StateImage {
  readonly #appliedIndex: number;
  readonly #appliedTerm: number;
  readonly #limits: SessionLimits;
  readonly #hashsets = new Hashsets();
  readonly #sessions: StoredSession[] = [];
  readonly #values = new ValueSlabs();
  #hashset: StoredHashset | null = null;
  #lastField: Creation | null = null;

  constructor(appliedIndex: number, appliedTerm: number, limits: SessionLimits = sessionLimits) {
    this.#appliedIndex = appliedIndex;
    this.#appliedTerm = appliedTerm;
    this.#limits = limits;
  }

  /** False when the record cannot follow those before it; the image is then of no use. */
  add(record: StateRecord): boolean {
    switch (record.type) {
      case 'hashset':
        return this.#addHashset(record.hashset);
      case 'field':
        return this.#addField(record.hashset, record.name, record.field);
      case 'session':
        this.#sessions.push(record.session);
        return (
          record.session.usedIndex <= this.#appliedIndex && this.#sessions.length <= this.#limits.sessions
        );
    }
  }

  /** The state machine, with nothing changed since; null when the records are not a whole state. */
  build(): StateMachine | null {
    if (this.#hashset?.fields.size === 0) return null;
    const sessions = new SessionTable(this.#limits);
    for (const session of this.#sessions.sort((a, b) => a.usedIndex - b.usedIndex)) {
      if (!sessions.restore(session)) return null;
    }
    const [appliedIndex, appliedTerm] = [this.#appliedIndex, this.#appliedTerm];
    this.#hashsets.freeze(appliedIndex);
    return new StateMachine(this.#limits, { hashsets: this.#hashsets, sessions, appliedIndex, appliedTerm });
  }

  #addHashset(identity: Creation & { readonly name: string }): boolean {
    const previous = this.#hashset;
    if (previous !== null && (previous.fields.size === 0 || !isAfter(identity, previous))) return false;
    this.#hashset = this.#hashsets.restore(identity);
    this.#lastField = null;
    return this.#hashset !== null;
  }

  #addField(hashset: Creation, name: string, field: StoredField): boolean {
    const current = this.#hashset;
    if (current === null || isAfter(hashset, current) || isAfter(current, hashset)) return false;
    if (this.#lastField !== null && !isAfter(field, this.#lastField)) return false;
    if (field.version < field.createdIndex || field.version > this.#appliedIndex) return false;
    if (current.fields.has(name)) return false;
    current.fields.set(name, { ...field, value: this.#values.copy(field.value) });
    this.#lastField = field;
    return true;
  }
}

function isAfter(a: Creation, b: Creation): boolean {
  return (
    a.createdIndex > b.createdIndex ||
    (a.createdIndex === b.createdIndex && a.createdOrdinal > b.createdOrdinal)
  );
}
