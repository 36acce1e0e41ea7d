import assert from 'node:assert/strict';

/** Bounds of what may be under way to one peer without an answer. */
export interface WindowLimits {
  /** Messages with entries. */
  readonly maxInflight: number;
  /** Their bytes; a single message may exceed it. */
  readonly maxInflightBytes: number;
}

interface Inflight {
  readonly lastIndex: number;
  readonly bytes: number;
}

/**
 * What the leader knows of one peer (paper figure 2: nextIndex and matchIndex; thesis §10.2.1: pipelining).
 *
 *            acknowledged                     rejected, unreachable
 *   probe ------------------> replicate --------------------------> probe
 *
 * - probe: where the logs agree is not known. One append, then wait for its answer or a heartbeat's.
 * - replicate: appends follow each other without waiting, up to a window of messages and bytes.
 *
 * Invariant: `match` < `next`; `match` never decreases.
 */
export class Progress {
  /** Highest index known to be durable on the peer and equal to the leader's log. */
  #match = 0;
  /** Index of the next entry to send. */
  #next: number;
  #probing = true;
  /** Probing: the one append is under way. */
  #probeSent = false;
  /** Sent and unanswered, in order of index. */
  #inflight: Inflight[] = [];
  #inflightBytes = 0;
  readonly #limits: WindowLimits;

  /** The peer answered something since check-quorum last looked. */
  recentlyActive = false;
  /** An append is due even if it carries nothing: the peer's answer shows whether appends were lost. */
  appendDue = false;
  /** Commit index that the last append told the peer. */
  sentCommit = 0;
  /** Latest heartbeat round that the peer answered. */
  ackedRound = 0;

  constructor(next: number, limits: WindowLimits) {
    this.#next = next;
    this.#limits = limits;
  }

  get match(): number {
    return this.#match;
  }

  get next(): number {
    return this.#next;
  }

  get probing(): boolean {
    return this.#probing;
  }

  /** True while a probe is under way: nothing at all is sent. */
  get waiting(): boolean {
    return this.#probing && this.#probeSent;
  }

  /** True while an append with entries may be sent. */
  get open(): boolean {
    return this.#probing
      ? !this.#probeSent
      : this.#inflight.length < this.#limits.maxInflight &&
          this.#inflightBytes < this.#limits.maxInflightBytes;
  }

  /** Notes an append of `count` entries from `next` on. */
  sent(count: number, bytes: number): void {
    if (this.#probing) {
      this.#probeSent = true;
      return;
    }
    if (count > 0) {
      // Optimistic: assumes arrival. A rejection or an unreachable peer takes it back.
      this.#next += count;
      this.#inflight.push({ lastIndex: this.#next - 1, bytes });
      this.#inflightBytes += bytes;
    }
  }

  /**
   * The peer has everything up to `index`, durably. Answers may come late, twice and out of order.
   * @returns true if `match` advanced.
   */
  acknowledged(index: number): boolean {
    const advanced = index > this.#match;
    if (advanced) {
      this.#match = index;
      this.#next = Math.max(this.#next, index + 1);
      this.#free(index);
    }
    // A probe that fits shows where the logs agree, even if it brought nothing new.
    if (this.#probing && (advanced || index >= this.#next - 1)) {
      this.#probing = false;
      this.#probeSent = false;
      this.#next = this.#match + 1;
    }
    this.#check();
    return advanced;
  }

  /**
   * The peer's log does not hold the entry at `prevLogIndex`; it may agree up to `lastPossibleMatch`.
   * @returns false for an answer to a question that is no longer open.
   */
  rejected(prevLogIndex: number, lastPossibleMatch: number): boolean {
    // What was acknowledged in this term stays on the peer, so the rejection predates it; or the peer's disk has
    // lost it, and asking the same again at once would go on at the speed of the network.
    if (prevLogIndex <= this.#match) {
      return false;
    }
    if (this.#probing) {
      if (prevLogIndex !== this.#next - 1) {
        return false;
      }
      this.#next = Math.max(Math.min(prevLogIndex, lastPossibleMatch + 1), this.#match + 1);
      this.#probeSent = false;
    } else {
      this.becomeProbe();
    }
    this.#check();
    return true;
  }

  /** Back to asking where the logs agree, from what is known for certain. */
  becomeProbe(): void {
    this.#probing = true;
    this.#probeSent = false;
    this.#next = this.#match + 1;
    this.#inflight = [];
    this.#inflightBytes = 0;
    this.sentCommit = 0;
  }

  /** The peer is alive: a probe without answer is taken for lost and may be sent again. */
  resume(): void {
    this.#probeSent = false;
  }

  #free(index: number): void {
    let freed = 0;
    for (const { lastIndex, bytes } of this.#inflight) {
      if (lastIndex > index) {
        break;
      }
      freed += 1;
      this.#inflightBytes -= bytes;
    }
    this.#inflight.splice(0, freed);
  }

  #check(): void {
    assert(this.#match < this.#next, `match ${this.#match} not below next ${this.#next}`);
  }
}
