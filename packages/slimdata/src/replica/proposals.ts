import assert from 'node:assert/strict';
import { StoreError } from '../errors.ts';
import type { ProposeRefused } from '../peers/peer-message.ts';
import { encodeCommand } from '../state-machine/command-codec.ts';
import { sessionWindowMax } from '../state-machine/limits.ts';
import type { SessionOutcome, TransactionOutcome } from '../state-machine/state-machine.ts';
import type { Transaction, TransactionResult } from '../state-machine/transaction.ts';
import type { ReplicaLimits, Settle } from './ports.ts';
import type { MemberSession } from './session.ts';
import { transactionSize } from './transaction-size.ts';

/** Sequence under which the opening of a session travels; transactions count from 1. */
export const openingSequence = 0;

/** A command on its way to the leader. */
export interface Outgoing {
  readonly sequence: number;
  readonly payload: Uint8Array;
}

interface Proposal {
  readonly transaction: Transaction;
  readonly bytes: number;
  readonly deadlineAt: number;
  readonly settle: Settle<TransactionResult>;
  /** To be sent (again) from then on. */
  dueAt: number;
  resendMs: number;
  /** Sent and not refused: while there is one, the transaction may yet be applied. */
  copies: number;
  overloaded: boolean;
}

/**
 * This member's transactions from `submit` until this member applies them. Each may be sent as often as it takes:
 * the state machine applies (session, sequence) once. Nothing here waits; `dueAt` says what to send when.
 */
export class Proposals {
  readonly #limits: ReplicaLimits;
  readonly #session: MemberSession;
  /** In order of sequence. */
  readonly #pending = new Map<number, Proposal>();
  /** Taken in and never sent, so that a turn need not look at all that is pending. */
  #fresh: number[] = [];
  /** No pending proposal but the fresh ones is due before this. */
  #rescanAt = Number.POSITIVE_INFINITY;
  #bytes = 0;
  #nextSequence = 1;

  constructor(limits: ReplicaLimits, session: MemberSession) {
    this.#limits = limits;
    this.#session = session;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Lowest sequence that is not settled. */
  get floor(): number {
    for (const sequence of this.#pending.keys()) return sequence;
    return this.#nextSequence;
  }

  /** Takes a transaction in, or settles it at once with the bound it exceeds. Returns its sequence. */
  submit(
    transaction: Transaction,
    now: number,
    deadlineAt: number,
    settle: Settle<TransactionResult>,
  ): number {
    const bytes = transactionSize(transaction);
    const sequence = this.#nextSequence;
    const refusal = this.#refusal(bytes);
    if (refusal !== null) {
      settle(refusal);
      return sequence;
    }
    this.#nextSequence++;
    this.#bytes += bytes;
    const { resendMs } = this.#limits;
    const sending = { dueAt: now, resendMs, copies: 0, overloaded: false };
    this.#pending.set(sequence, { transaction, bytes, deadlineAt, settle, ...sending });
    this.#fresh.push(sequence);
    return sequence;
  }

  #refusal(bytes: number): StoreError | null {
    const { transactionBytesMax, proposalsMax, proposalBytesMax } = this.#limits;
    if (bytes > transactionBytesMax) {
      const text = `The transaction counts ${bytes} bytes; ${transactionBytesMax} are allowed. Split it.`;
      return new StoreError('too_large', text);
    }
    const full =
      this.#pending.size >= proposalsMax ||
      this.#bytes + bytes > proposalBytesMax ||
      this.#nextSequence - this.floor >= sessionWindowMax;
    if (!full) return null;
    const waiting = `${this.#pending.size} transactions (${this.#bytes} bytes) wait for the leader already`;
    return new StoreError('overloaded', `${waiting}; this one was not sent. Try again later.`);
  }

  /** What is to be sent to the leader now; counts as sent. Nothing but the opening until a session is open. */
  takeDue(now: number): readonly Outgoing[] {
    if (this.#pending.size === 0) return [];
    const opening = this.#session.takeOpening(now);
    if (opening !== null) return [{ sequence: openingSequence, payload: opening }];
    const session = this.#session.id;
    if (session === null) return [];
    const scan = this.#rescanAt <= now;
    const sequences = scan ? this.#pending.keys() : this.#fresh;
    if (scan) this.#rescanAt = Number.POSITIVE_INFINITY;
    this.#fresh = [];
    const due: Outgoing[] = [];
    for (const sequence of sequences) {
      const proposal = this.#pending.get(sequence);
      if (proposal === undefined) continue;
      if (proposal.dueAt <= now) due.push(this.#send(session, sequence, proposal, now));
      this.#rescanAt = Math.min(this.#rescanAt, proposal.dueAt);
    }
    return due;
  }

  #send(session: number, sequence: number, proposal: Proposal, now: number): Outgoing {
    const { floor } = this;
    const { transaction } = proposal;
    proposal.dueAt = now + proposal.resendMs;
    proposal.resendMs *= 2;
    proposal.copies++;
    const payload = encodeCommand({ type: 'SessionTransaction', session, sequence, floor, transaction });
    return { sequence, payload };
  }

  /** Nothing was appended for one copy; it may be sent again at `retryAt`. */
  refused(sequence: number, reason: ProposeRefused['reason'], retryAt: number): void {
    this.#rescanAt = Math.min(this.#rescanAt, retryAt);
    if (sequence === openingSequence) {
      this.#session.retryAt(retryAt);
      for (const proposal of this.#pending.values()) proposal.overloaded = reason === 'overloaded';
      return;
    }
    const proposal = this.#pending.get(sequence);
    if (proposal === undefined) return;
    proposal.copies--;
    proposal.overloaded = reason === 'overloaded';
    proposal.dueAt = Math.min(proposal.dueAt, retryAt);
  }

  /** What was sent may be lost (new leader, broken link): send all of it again from `at` on. */
  sendAgain(at: number): void {
    this.#session.retryAt(at);
    this.#rescanAt = Math.min(this.#rescanAt, at);
    for (const proposal of this.#pending.values()) {
      proposal.dueAt = Math.min(proposal.dueAt, at);
      proposal.resendMs = this.#limits.resendMs;
    }
  }

  /** A session was opened; if it is ours, what waited for it may go. Returns whether it is. */
  sessionOpened(outcome: SessionOutcome, now: number): boolean {
    if (!this.#session.opened(outcome)) return false;
    this.sendAgain(now);
    return true;
  }

  /** A transaction was applied on this member; settles it if it is one of ours. */
  applied(outcome: TransactionOutcome, now: number): void {
    if (outcome.session !== this.#session.id) return;
    const { sequence, result } = outcome;
    if (result === 'session_expired') {
      this.#moveToNewSession(now);
    } else if (this.#pending.has(sequence)) {
      assert(result !== 'sequence_expired', `sequence ${sequence} expired although it is still pending`);
      this.#settle(sequence, result);
    }
  }

  /**
   * The forgotten session never comes back and nothing pending was applied under it (we would have seen it),
   * so everything pending starts afresh under a new session.
   */
  #moveToNewSession(now: number): void {
    this.#session.expired();
    this.sendAgain(now);
  }

  /**
   * A snapshot stands for entries that were never applied here: what they answered is looked up in its state. If that
   * has forgotten the session, nobody knows any more what became of that which was sent.
   */
  restored(answersOf: (session: number) => ReadonlyMap<number, TransactionResult> | null, now: number): void {
    const session = this.#session.id;
    if (session === null) return;
    const answers = answersOf(session);
    for (const [sequence, proposal] of [...this.#pending]) {
      const answer = answers?.get(sequence);
      if (answer !== undefined) this.#settle(sequence, answer);
      else if (answers === null && proposal.copies > 0) this.#settle(sequence, deadlineError(proposal));
    }
    if (answers === null) this.#session.expired();
    this.sendAgain(now);
  }

  /** Settles what is past its deadline. */
  expire(now: number): void {
    for (const [sequence, proposal] of this.#pending) {
      if (proposal.deadlineAt <= now) this.#settle(sequence, deadlineError(proposal));
    }
  }

  /** The caller does not wait any more. */
  abort(sequence: number, cause: unknown): void {
    const proposal = this.#pending.get(sequence);
    if (proposal === undefined) return;
    const text = `The caller gave up waiting; the transaction ${fate(proposal)}.`;
    this.#settle(sequence, new StoreError('aborted', text, { cause }));
  }

  /** Settles everything: this member answers no more, because of `why`. */
  stop(why: string): void {
    for (const [sequence, proposal] of this.#pending) {
      const code = proposal.copies > 0 ? 'timeout' : 'closed';
      this.#settle(sequence, new StoreError(code, `${why}; the transaction ${fate(proposal)}.`));
    }
  }

  #settle(sequence: number, outcome: TransactionResult | StoreError): void {
    const proposal = this.#pending.get(sequence);
    assert(proposal !== undefined, `proposal ${sequence} is pending`);
    this.#pending.delete(sequence);
    this.#bytes -= proposal.bytes;
    proposal.settle(outcome);
  }
}

function fate(proposal: Proposal): string {
  return proposal.copies > 0 ? 'was sent to a leader and may or may not be applied' : 'was not applied';
}

function deadlineError(proposal: Proposal): StoreError {
  if (proposal.copies > 0) {
    const text = `The deadline passed; the transaction ${fate(proposal)}. Read before trying again.`;
    return new StoreError('timeout', text);
  }
  if (proposal.overloaded) {
    const text = 'The leader had too much waiting until the deadline; the transaction was not applied.';
    return new StoreError('overloaded', `${text} Try again later.`);
  }
  const text = 'No leader took the transaction before the deadline; it was not applied. Try again.';
  return new StoreError('unavailable', text);
}
