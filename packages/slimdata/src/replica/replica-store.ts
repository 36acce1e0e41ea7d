import assert from 'node:assert/strict';
import { StoreError } from '../errors.ts';
import type { Leadership, MemberName } from '../raft/types.ts';
import { nameLengthMax, transactionStepsMax } from '../state-machine/limits.ts';
import type {
  Check,
  StateView,
  Transaction,
  TransactionResult,
  Write,
} from '../state-machine/transaction.ts';
import type { Change, RequestOptions, Store } from '../store.ts';
import type { Settle } from './ports.ts';
import type { Replica } from './replica.ts';

const deadlineMsDefault = 10_000;

/** The store as programs see it: promises around the replica's callbacks. */
export class ReplicaStore implements Store {
  readonly member: MemberName;
  readonly #replica: Replica;
  readonly #underWay = new Set<Promise<unknown>>();
  #closed = false;

  constructor(member: MemberName, replica: Replica) {
    this.member = member;
    this.#replica = replica;
  }

  get view(): StateView {
    return this.#replica.view;
  }

  get leadership(): Leadership {
    return this.#replica.leadership;
  }

  /** Refuses new requests from now on; resolves when those under way are settled. */
  async drain(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
  }

  async transact(transaction: Transaction, options: RequestOptions = {}): Promise<TransactionResult> {
    assertWellFormed(transaction);
    return await this.#request(options, (deadlineMs, settle) =>
      this.#replica.transact(transaction, deadlineMs, settle),
    );
  }

  async readBarrier(options: RequestOptions = {}): Promise<void> {
    await this.#request<null>(options, (deadlineMs, settle) => this.#replica.read(deadlineMs, settle));
  }

  onLeadership(listener: (leadership: Leadership) => void): () => void {
    return this.#replica.leadershipListeners.add(listener);
  }

  onChange(listener: (change: Change) => void): () => void {
    return this.#replica.changeListeners.add(listener);
  }

  async #request<T>({ deadlineMs = deadlineMsDefault, signal }: RequestOptions, start: Start<T>): Promise<T> {
    if (this.#closed) {
      throw new StoreError('closed', `Member "${this.member}" is stopping; nothing was sent.`);
    }
    if (signal?.aborted === true) {
      const { reason: cause } = signal;
      throw new StoreError('aborted', 'The caller gave up before anything was sent.', { cause });
    }
    const answer = settlement(start, deadlineMs, signal);
    this.#underWay.add(answer);
    try {
      return await answer;
    } finally {
      this.#underWay.delete(answer);
    }
  }
}

/** Begins a request of the replica; returns what ends the wait for it. */
type Start<T> = (deadlineMs: number, settle: Settle<T>) => (cause: unknown) => void;

/** The one promise that a request's callback settles; the caller's signal ends the wait. */
function settlement<T>(start: Start<T>, deadlineMs: number, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    // Listening begins only after `end` is known, also when the request is settled at once: that one changes nothing.
    const onAbort = (): void => end(signal?.reason);
    const end = start(deadlineMs, (outcome) => {
      signal?.removeEventListener('abort', onAbort);
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Names and sizes outside the command format are the caller's mistake: no retry would help. */
function assertWellFormed({ checks, writes }: Transaction): void {
  for (const [what, steps] of Object.entries({ checks, writes })) {
    assert(
      steps.length <= transactionStepsMax,
      `${steps.length} ${what}; ${transactionStepsMax} are allowed`,
    );
    for (const step of steps) assertNames(step);
  }
}

function assertNames(step: Check | Write): void {
  if ('hashset' in step) assertName('hashset', step.hashset);
  if ('field' in step) assertName('field', step.field);
}

/** An unpaired surrogate has no UTF-8 form: it would come back as another name. */
const unpaired = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

function assertName(what: string, name: string): void {
  const allowed = name.length > 0 && name.length <= nameLengthMax && !unpaired.test(name);
  assert(allowed, `"${name}" cannot name a ${what}: 1 to ${nameLengthMax} characters of well-formed Unicode`);
}
