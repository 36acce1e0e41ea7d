import { expect } from 'chai';
import type {
  Check,
  StateView,
  Transaction,
  TransactionResult,
  Write,
} from '../../src/state-machine/transaction.ts';

interface Row {
  readonly hashset: string;
  readonly field: string;
  readonly value: Uint8Array;
  readonly createdIndex: number;
  readonly version: number;
}

/** The state machine told again as simply as possible: one list of rows, in order of creation. */
export class StateModel {
  #rows: Row[] = [];

  run({ checks, writes }: Transaction, index: number, term: number): TransactionResult {
    for (const [failedCheck, check] of checks.entries()) {
      if (!this.#holds(check, term)) return { applied: false, index, failedCheck };
    }
    for (const write of writes) this.#write(write, index);
    return { applied: true, index };
  }

  matches(view: StateView): boolean {
    const names = new Set(this.#rows.map((row) => row.hashset));
    expect(new Set(view.hashsets(''))).to.deep.equal(names);
    for (const name of names) {
      const rows = this.#in(name);
      expect(view.size(name)).to.equal(rows.length);
      const expected = rows.map(({ field, value, createdIndex, version }) => [
        field,
        [...value],
        createdIndex,
        version,
      ]);
      const actual = [...view.entries(name)].map(([field, { value, createdIndex, version }]) => [
        field,
        [...value],
        createdIndex,
        version,
      ]);
      expect(actual).to.deep.equal(expected);
    }
    return true;
  }

  #in(hashset: string): Row[] {
    return this.#rows.filter((row) => row.hashset === hashset);
  }

  #find(hashset: string, field: string): Row | undefined {
    return this.#rows.find((row) => row.hashset === hashset && row.field === field);
  }

  #holds(check: Check, term: number): boolean {
    if (check.check === 'term') return check.term === term;
    if (check.check === 'empty') return this.#in(check.hashset).length === 0;
    if (check.check === 'smaller') return this.#in(check.hashset).length < check.count;
    const row = this.#find(check.hashset, check.field);
    return check.check === 'absent' ? row === undefined : row?.version === check.version;
  }

  #write(write: Write, index: number): void {
    const { hashset } = write;
    if (write.write === 'deleteHashset') {
      this.#rows = this.#rows.filter((row) => row.hashset !== hashset);
      return;
    }
    const existing = this.#find(hashset, write.field);
    if (write.write === 'delete') {
      this.#rows = this.#rows.filter((row) => row !== existing);
      return;
    }
    const { field, value } = write;
    const row = { hashset, field, value, createdIndex: existing?.createdIndex ?? index, version: index };
    if (existing === undefined) this.#rows.push(row);
    else this.#rows[this.#rows.indexOf(existing)] = row;
  }
}
