import { StoreError } from '../errors.ts';
import type { ReadReady } from '../raft/types.ts';
import type { ReplicaLimits, Settle } from './ports.ts';

interface Reader {
  readonly deadlineAt: number;
  readonly settle: Settle<null>;
  settled: boolean;
}

interface Asked {
  readonly request: number;
  readonly readers: readonly Reader[];
  readonly resendAt: number;
}

interface Confirmed {
  readonly index: number;
  readonly readers: readonly Reader[];
}

/**
 * Read barriers (thesis §6.4), batched: one request is on its way at a time and serves all that came before it was
 * sent; those that come later share the next one. A confirmed batch waits until this member has applied its index.
 */
export class Reads {
  readonly #limits: ReplicaLimits;
  #waiting: Reader[] = [];
  #asked: Asked | null = null;
  #confirmed: Confirmed[] = [];
  /** After a refusal: not before this. */
  #askAt = 0;
  #nextRequest: number;
  #size = 0;

  /** @param firstRequest random, so that answers to a former life of this member are not taken for ours. */
  constructor(limits: ReplicaLimits, firstRequest: number) {
    this.#limits = limits;
    this.#nextRequest = firstRequest;
  }

  /** Readers that are not settled. */
  get size(): number {
    return this.#size;
  }

  /** Takes a reader in, or refuses it at once. Returns what ends its wait. */
  submit(deadlineAt: number, settle: Settle<null>): (cause: unknown) => void {
    if (this.#size >= this.#limits.readsMax) {
      settle(new StoreError('overloaded', `${this.#size} reads wait already. Try again later.`));
      return () => undefined;
    }
    const reader: Reader = { deadlineAt, settle, settled: false };
    this.#size++;
    this.#waiting.push(reader);
    return (cause) => {
      this.#settle(reader, new StoreError('aborted', 'The caller gave up waiting for the read.', { cause }));
    };
  }

  /** The request to put to the core now, or null. A request without an answer is replaced after a while. */
  takeDue(now: number): number | null {
    if (this.#asked !== null && this.#asked.resendAt <= now) this.#askAgain();
    if (this.#asked !== null || this.#waiting.length === 0 || this.#askAt > now) return null;
    const request = this.#nextRequest++;
    this.#asked = { request, readers: this.#waiting, resendAt: now + this.#limits.resendMs };
    this.#waiting = [];
    return request;
  }

  /** The answer to a request; an answer to an earlier request is ignored. Refused: ask again at `retryAt`. */
  ready(answer: ReadReady, retryAt: number): void {
    if (this.#asked?.request !== answer.request) return;
    if (answer.index === -1) {
      this.#askAgain();
      this.#askAt = retryAt;
      return;
    }
    this.#confirmed.push({ index: answer.index, readers: this.#asked.readers });
    this.#asked = null;
  }

  /** The request may be lost (new leader, broken link): ask again at `at`. */
  sendAgain(at: number): void {
    this.#askAgain();
    this.#askAt = at;
  }

  #askAgain(): void {
    if (this.#asked === null) return;
    this.#waiting = [...this.#asked.readers, ...this.#waiting].filter((reader) => !reader.settled);
    this.#asked = null;
  }

  /** This member has applied up to `index`. */
  applied(index: number): void {
    if (this.#confirmed.length === 0) return;
    const served = this.#confirmed.filter((batch) => batch.index <= index);
    if (served.length === 0) return;
    this.#confirmed = this.#confirmed.filter((batch) => batch.index > index);
    for (const batch of served) for (const reader of batch.readers) this.#settle(reader, null);
  }

  /** Settles what is past its deadline. */
  expire(now: number): void {
    if (this.#waiting.length === 0 && this.#size === 0) return;
    const text = 'No leader confirmed the read before the deadline. Try again.';
    for (const reader of this.#all()) {
      if (reader.deadlineAt <= now) this.#settle(reader, new StoreError('unavailable', text));
    }
    this.#waiting = this.#waiting.filter((reader) => !reader.settled);
  }

  /** Settles everything: this member answers no more, because of `why`. */
  stop(why: string): void {
    for (const reader of this.#all()) this.#settle(reader, new StoreError('closed', `${why}.`));
    this.#waiting = [];
  }

  #all(): readonly Reader[] {
    const confirmed = this.#confirmed.flatMap((batch) => batch.readers);
    return [...this.#waiting, ...(this.#asked?.readers ?? []), ...confirmed];
  }

  #settle(reader: Reader, outcome: StoreError | null): void {
    if (reader.settled) return;
    reader.settled = true;
    this.#size--;
    reader.settle(outcome);
  }
}
