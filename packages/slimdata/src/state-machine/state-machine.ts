import assert from 'node:assert/strict';
import { type Entry, EntryKind } from '../raft/types.ts';
import type { SessionTransaction } from './command.ts';
import { parseCommand } from './command-codec.ts';
import { Hashsets } from './hashsets.ts';
import { type SessionLimits, SessionTable, sessionLimits } from './session-table.ts';
import type { FieldRecord, StateView, Transaction, TransactionResult } from './transaction.ts';

/** What applying one entry did. The same on every member. */
export type Outcome =
  /** Not a command of ours: a leader's no-op or a configuration. */
  | { readonly type: 'nothing' }
  /** A command that cannot be read; it changed nothing. */
  | { readonly type: 'malformed' }
  | SessionOutcome
  | TransactionOutcome;

export interface SessionOutcome {
  readonly type: 'sessionOpened';
  readonly session: number;
  /** As the command named them. */
  readonly member: string;
  readonly nonce: number;
}

/**
 * Nothing changed: the session is unknown and will stay so, or the sequence lies outside its window: below the floor
 * it never applies, above the window it may later.
 */
type Expired = 'session_expired' | 'sequence_expired';

export interface TransactionOutcome {
  readonly type: 'transaction';
  readonly session: number;
  readonly sequence: number;
  readonly result: TransactionResult | Expired;
  /** Hashsets changed by this entry; empty for duplicates, failed checks and writes that changed nothing. */
  readonly touched: ReadonlySet<string>;
}

const untouched: ReadonlySet<string> = new Set();
const nothing: Outcome = { type: 'nothing' };
const malformed: Outcome = { type: 'malformed' };

/**
 * Applies committed entries in log order. Deterministic: state and outcomes depend on the entries alone, so
 * members that applied the same log hold the same state.
 */
export class StateMachine implements StateView {
  readonly #hashsets = new Hashsets();
  readonly #sessions: SessionTable;
  #appliedIndex = 0;

  constructor(limits: SessionLimits = sessionLimits) {
    this.#sessions = new SessionTable(limits);
  }

  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  get(hashset: string, field: string): FieldRecord | undefined {
    return this.#hashsets.get(hashset, field);
  }

  entries(hashset: string): Iterable<readonly [field: string, record: FieldRecord]> {
    return this.#hashsets.entries(hashset);
  }

  size(hashset: string): number {
    return this.#hashsets.size(hashset);
  }

  hashsets(prefix: string): Iterable<string> {
    return this.#hashsets.hashsets(prefix);
  }

  /** Applies the entry after the last applied one. Invariant: indexes come without gaps. */
  apply(entry: Entry): Outcome {
    assert.equal(entry.index, this.#appliedIndex + 1, 'entries are applied in order, without gaps');
    this.#appliedIndex = entry.index;
    if (entry.kind !== EntryKind.Command) return nothing;
    const command = parseCommand(entry.payload);
    if (command === null) return malformed;
    if (command.type === 'SessionTransaction') return this.#applyOnce(command, entry);
    this.#sessions.open(entry.index);
    return { type: 'sessionOpened', session: entry.index, member: command.member, nonce: command.nonce };
  }

  #applyOnce(command: SessionTransaction, entry: Entry): Outcome {
    const { session, sequence, floor, transaction } = command;
    const answer = (result: TransactionOutcome['result'], touched = untouched): Outcome => {
      return { type: 'transaction', session, sequence, result, touched };
    };
    const admission = this.#sessions.admit(session, sequence, floor);
    if (admission.admitted === 'duplicate') return answer(admission.result);
    if (admission.admitted !== 'new') return answer(admission.admitted);
    const failedCheck = transaction.checks.findIndex((check) => !this.#hashsets.holds(check, entry.term));
    const result: TransactionResult =
      failedCheck === -1
        ? { applied: true, index: entry.index }
        : { applied: false, index: entry.index, failedCheck };
    this.#sessions.remember(session, sequence, result);
    return result.applied ? answer(result, this.#write(transaction, entry.index)) : answer(result);
  }

  #write(transaction: Transaction, index: number): ReadonlySet<string> {
    const touched = new Set<string>();
    for (const write of transaction.writes) {
      if (this.#hashsets.write(write, index)) touched.add(write.hashset);
    }
    return touched;
  }
}
