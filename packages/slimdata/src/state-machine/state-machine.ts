import assert from 'node:assert/strict';
import { type Entry, EntryKind } from '../raft/types.ts';
import type { SessionTransaction } from './command.ts';
import { parseCommand } from './command-codec.ts';
import { Hashsets } from './hashsets.ts';
import { type SessionLimits, SessionTable, sessionLimits } from './session-table.ts';
import type { RecordChange, StateDelta } from './stored-state.ts';
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

/** All that a state machine is made of. */
export interface RestoredState {
  readonly hashsets: Hashsets;
  readonly sessions: SessionTable;
  readonly appliedIndex: number;
  readonly appliedTerm: number;
}

function emptyState(limits: SessionLimits): RestoredState {
  return { hashsets: new Hashsets(), sessions: new SessionTable(limits), appliedIndex: 0, appliedTerm: 0 };
}

const untouched: ReadonlySet<string> = new Set();
const nothing: Outcome = { type: 'nothing' };
const malformed: Outcome = { type: 'malformed' };

/**
 * Applies committed entries in log order. Deterministic: state and outcomes depend on the entries alone, so
 * members that applied the same log hold the same state.
 */
export class StateMachine implements StateView {
  readonly #hashsets: Hashsets;
  readonly #sessions: SessionTable;
  #appliedIndex: number;
  #appliedTerm: number;
  #frozenIndex: number;

  /** Starts empty, or with the state of a checkpoint: what `StateImage` made of it. */
  constructor(limits: SessionLimits = sessionLimits, restored: RestoredState = emptyState(limits)) {
    this.#hashsets = restored.hashsets;
    this.#sessions = restored.sessions;
    this.#appliedIndex = restored.appliedIndex;
    this.#appliedTerm = restored.appliedTerm;
    this.#frozenIndex = restored.appliedIndex;
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

  /** What the session was answered so far, by sequence; null when this state does not know the session. */
  answersOf(session: number): ReadonlyMap<number, TransactionResult> | null {
    return this.#sessions.answersOf(session);
  }

  /** Applies the entry after the last applied one. Invariant: indexes come without gaps. */
  apply(entry: Entry): Outcome {
    assert.equal(entry.index, this.#appliedIndex + 1, 'entries are applied in order, without gaps');
    this.#appliedIndex = entry.index;
    this.#appliedTerm = entry.term;
    if (entry.kind !== EntryKind.Command) return nothing;
    const command = parseCommand(entry.payload);
    if (command === null) return malformed;
    if (command.type === 'SessionTransaction') return this.#applyOnce(command, entry);
    this.#sessions.open(entry.index);
    return { type: 'sessionOpened', session: entry.index, member: command.member, nonce: command.nonce };
  }

  /**
   * What changed since the last freeze, or since the start or checkpoint it was restored from. At once, whatever the
   * size of the state; the next delta starts here, so every delta must reach the checkpoint, in order.
   */
  freeze(): StateDelta {
    const [baseIndex, appliedIndex] = [this.#frozenIndex, this.#appliedIndex];
    const hashsets = this.#hashsets.freeze(appliedIndex);
    const sessions = this.#sessions.freeze();
    this.#frozenIndex = appliedIndex;
    function* changes(): Iterable<RecordChange> {
      yield* hashsets.records();
      yield* sessions();
    }
    return { baseIndex, appliedIndex, appliedTerm: this.#appliedTerm, changes };
  }

  #applyOnce(command: SessionTransaction, entry: Entry): Outcome {
    const { session, sequence, floor, transaction } = command;
    const answer = (result: TransactionOutcome['result'], touched = untouched): Outcome => {
      return { type: 'transaction', session, sequence, result, touched };
    };
    const admission = this.#sessions.admit(session, sequence, floor, entry.index);
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
    for (const [createdOrdinal, write] of transaction.writes.entries()) {
      if (this.#hashsets.write(write, { createdIndex: index, createdOrdinal })) touched.add(write.hashset);
    }
    return touched;
  }
}
