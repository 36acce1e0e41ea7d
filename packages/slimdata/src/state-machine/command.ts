import type { Transaction } from './transaction.ts';

/**
 * What the payload of a `Command` entry says. Sessions make re-sent transactions harmless (thesis §6.3): a member
 * opens one, numbers its transactions in it, and may then send each of them as often as it likes.
 */
export type Command = OpenSession | SessionTransaction;

/** Opens a session; its id is the index of the entry that carries this. */
interface OpenSession {
  readonly type: 'OpenSession';
  /** Who opens it. */
  readonly member: string;
  /** Chosen by the opener, to recognise its own entry when it applies it. */
  readonly nonce: number;
}

/** One transaction of a session, applied at most once per (session, sequence). */
export interface SessionTransaction {
  readonly type: 'SessionTransaction';
  readonly session: number;
  readonly sequence: number;
  /** Sequences below this are settled for the sender: their results are forgotten, and they never apply again. */
  readonly floor: number;
  readonly transaction: Transaction;
}
