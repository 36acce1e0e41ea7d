import assert from 'node:assert/strict';
import { sessionsMax, sessionWindowMax } from './limits.ts';
import type { TransactionResult } from './transaction.ts';

interface Session {
  /** Sequences below are settled. Never decreases. */
  floor: number;
  /** Results of applied sequences, all in [floor, floor + window). */
  readonly results: Map<number, TransactionResult>;
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

  constructor(limits: SessionLimits = sessionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Opens the session named after `index`, forgetting the one used longest ago when there are too many. */
  open(index: number): void {
    assert(!this.#sessions.has(index), `session ${index} is opened twice`);
    this.#sessions.set(index, { floor: 0, results: new Map() });
    if (this.#sessions.size <= this.#limits.sessions) return;
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest);
      return;
    }
  }

  /** Marks `id` as used, raises its floor, and says what to do with `sequence`. */
  admit(id: number, sequence: number, floor: number): Admission {
    const session = this.#sessions.get(id);
    if (session === undefined) return { admitted: 'session_expired' };
    this.#sessions.delete(id);
    this.#sessions.set(id, session);
    raiseFloor(session, floor);
    const outside = sequence < session.floor || sequence >= session.floor + this.#limits.window;
    if (outside) return { admitted: 'sequence_expired' };
    const result = session.results.get(sequence);
    return result === undefined ? { admitted: 'new' } : { admitted: 'duplicate', result };
  }

  /** Remembers the answer to a sequence that was just admitted as new. */
  remember(id: number, sequence: number, result: TransactionResult): void {
    const session = this.#sessions.get(id);
    assert(session !== undefined, `session ${id} is not open`);
    session.results.set(sequence, result);
  }
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
