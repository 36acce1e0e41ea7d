import assert from 'node:assert/strict';
import { sessionsMax, sessionWindowMax } from './limits.ts';
import type { RecordChange, StateRecord, StoredSession } from './stored-state.ts';
import type { TransactionResult } from './transaction.ts';

/** Changed in place only while it is this freeze's own copy; see `SessionChange`. */
interface Session extends StoredSession {
  usedIndex: number;
  floor: number;
  readonly results: Map<number, TransactionResult>;
}

/**
 * A session used since the last freeze: `before` is as it was then and is left alone, `after` is the copy made at the
 * first use, which goes on changing until the next freeze. Null = not open.
 */
interface SessionChange {
  readonly before: Session | null;
  after: Session | null;
}

/** What a sequence of a session is: new, already answered, or never to be applied. */
export type Admission =
  | { readonly admitted: 'new' }
  | { readonly admitted: 'duplicate'; readonly result: TransactionResult }
  | { readonly admitted: 'session_expired' | 'sequence_expired' };

export interface SessionLimits {
  readonly sessions: number;
  readonly window: number;
}

/** The limits of the command format; only tests use smaller ones. */
export const sessionLimits: SessionLimits = { sessions: sessionsMax, window: sessionWindowMax };

/**
 * Remembers what each session was answered, so that a transaction sent twice is applied once (thesis §6.3).
 * Bounded in sessions and in results per session. A forgotten session never comes back: ids are log indexes.
 */
export class SessionTable {
  readonly #limits: SessionLimits;
  /** In order of last use, the one used longest ago first: the order is part of the replicated state. */
  readonly #sessions = new Map<number, Session>();
  #changes = new Map<number, SessionChange>();

  constructor(limits: SessionLimits = sessionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Opens the session named after `index`, forgetting the one used longest ago when there are too many. */
  open(index: number): void {
    assert(!this.#sessions.has(index), `session ${index} is opened twice`);
    const session: Session = { id: index, usedIndex: index, floor: 0, results: new Map() };
    this.#sessions.set(index, session);
    this.#changes.set(index, { before: null, after: session });
    if (this.#sessions.size <= this.#limits.sessions) return;
    for (const oldest of this.#sessions.values()) {
      this.#forget(oldest);
      return;
    }
  }

  /** Marks `id` as used by the entry at `index`, raises its floor, and says what to do with `sequence`. */
  admit(id: number, sequence: number, floor: number, index: number): Admission {
    const found = this.#sessions.get(id);
    if (found === undefined) return { admitted: 'session_expired' };
    const session = this.#own(found);
    session.usedIndex = index;
    this.#sessions.delete(id);
    this.#sessions.set(id, session);
    raiseFloor(session, floor);
    const outside = sequence < session.floor || sequence >= session.floor + this.#limits.window;
    if (outside) return { admitted: 'sequence_expired' };
    const result = session.results.get(sequence);
    return result === undefined ? { admitted: 'new' } : { admitted: 'duplicate', result };
  }

  answersOf(id: number): ReadonlyMap<number, TransactionResult> | null {
    return this.#sessions.get(id)?.results ?? null;
  }

  /** Remembers the answer to a sequence that was just admitted as new. */
  remember(id: number, sequence: number, result: TransactionResult): void {
    const session = this.#sessions.get(id);
    assert(session !== undefined, `session ${id} is not open`);
    session.results.set(sequence, result);
  }

  /** Hands out what changed since the last freeze; it stays as it is while sessions are used on. */
  freeze(): () => Iterable<RecordChange> {
    const frozen = this.#changes;
    this.#changes = new Map();
    return () => sessionRecords(frozen.values());
  }

  /** Puts back a session; they come in order of last use, before any is opened. False when the limits forbid it. */
  restore({ id, usedIndex, floor, results }: StoredSession): boolean {
    if (this.#sessions.has(id) || this.#sessions.size === this.#limits.sessions) return false;
    for (const sequence of results.keys()) {
      if (sequence < floor || sequence >= floor + this.#limits.window) return false;
    }
    this.#sessions.set(id, { id, usedIndex, floor, results: new Map(results) });
    return true;
  }

  /** The copy of `session` that may be changed until the next freeze. */
  #own(session: Session): Session {
    const known = this.#changes.get(session.id);
    if (known?.after) return known.after;
    const own = { ...session, results: new Map(session.results) };
    this.#changes.set(session.id, { before: session, after: own });
    return own;
  }

  #forget(session: Session): void {
    this.#sessions.delete(session.id);
    const known = this.#changes.get(session.id);
    if (known === undefined) this.#changes.set(session.id, { before: session, after: null });
    else if (known.before === null) this.#changes.delete(session.id);
    else known.after = null;
  }
}

function* sessionRecords(changes: Iterable<SessionChange>): Iterable<RecordChange> {
  for (const { before, after } of changes) {
    yield { before: before && sessionRecord(before), after: after && sessionRecord(after) };
  }
}

function sessionRecord(session: StoredSession): StateRecord {
  return { type: 'session', session };
}

function raiseFloor(session: Session, floor: number): void {
  if (floor <= session.floor) return;
  if (floor - session.floor <= session.results.size) {
    for (let sequence = session.floor; sequence < floor; sequence++) session.results.delete(sequence);
  } else {
    for (const sequence of session.results.keys()) {
      if (sequence < floor) session.results.delete(sequence);
    }
  }
  session.floor = floor;
}
