import assert from 'node:assert/strict';

/** Bounds of what may be under way to one peer without an answer. */
export interface WindowLimits {
  /** Messages with entries. */
  readonly maxInflight: number;
  /** Their bytes; a single message may exceed it. */
  readonly maxInflightBytes: number;
}

export type ProgressState = 'probe' | 'replicate' | 'snapshot';

interface Inflight {
  readonly lastIndex: number;
  readonly bytes: number;
}

/**
 * What the leader knows of one peer (paper figure 2: nextIndex and matchIndex; thesis §10.2.1: pipelining).
 *
 *              acknowledged                     rejected, unreachable
 *   probe ---------------------> replicate --------------------------> probe
 *     |  ^                           ^
 *     |  | sent or failed            | acknowledged, all that it lacks is in the log
 *     |  |                           |
 *     +--+-----> snapshot -----------+
 *     may agree only before what the log still holds
 *
 * - probe: where the logs agree is not known. One append, then wait for its answer or a heartbeat's.
 * - replicate: appends follow each other without waiting, up to a window of messages and bytes.
 * - snapshot: the driver streams one (paper §7). No appends; heartbeats go on.
 *
 * Invariant: `match` < `next`; `match` never decreases.
 */
export class Progress {
  /** Highest index known to be durable on the peer and equal to the leader's log. */
  #match = 0;
  /** Index of the next entry to send. */
  #next: number;
  #state: ProgressState = 'probe';
  /** Probing: the one append is under way. */
  #probeSent = false;
  /** Snapshot: the driver has not been told yet. */
  #snapshotDue = false;
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

  get state(): ProgressState {
    return this.#state;
  }

  /** True while a probe or a snapshot is under way: no append at all is sent. */
  get waiting(): boolean {
    return this.#state === 'snapshot' || (this.#state === 'probe' && this.#probeSent);
  }

  /** True while an append with entries may be sent. */
  get open(): boolean {
    return this.#state === 'replicate'
      ? this.#inflight.length < this.#limits.maxInflight &&
          this.#inflightBytes < this.#limits.maxInflightBytes
      : !this.waiting;
  }

  /** Notes an append of `count` entries from `next` on. */
  sent(count: number, bytes: number): void {
    if (this.#state === 'probe') {
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
   * @param baseIndex up to where this leader's log is compacted.
   * @returns true if `match` advanced.
   */
  acknowledged(index: number, baseIndex: number): boolean {
    const advanced = index > this.#match;
    if (advanced) {
      this.#match = index;
      this.#next = Math.max(this.#next, index + 1);
      this.#free(index);
    }
    // A probe that fits shows where the logs agree, even if it brought nothing new.
    const found = this.#state === 'probe' && (advanced || index >= this.#next - 1);
    // By the snapshot or by appends that were thought lost: what comes next is in the log.
    const broughtUp = this.#state === 'snapshot' && this.#match >= baseIndex;
    if (found || broughtUp) {
      this.#state = 'replicate';
      this.#probeSent = false;
      this.#snapshotDue = false;
      this.#next = this.#match + 1;
    }
    this.#check();
    return advanced;
  }

  /**
   * The peer's log does not hold the entry at `prevLogIndex`; it may agree up to `lastPossibleMatch`.
   * @param baseIndex up to where this leader's log is compacted: from before it, only a snapshot helps.
   * @returns false for an answer to a question that is no longer open.
   */
  rejected(prevLogIndex: number, lastPossibleMatch: number, baseIndex: number): boolean {
    // What was acknowledged in this term stays on the peer, so the rejection predates it; or the peer's disk has
    // lost it, and asking the same again at once would go on at the speed of the network.
    if (this.#state === 'snapshot' || prevLogIndex <= this.#match) {
      return false;
    }
    if (this.#state === 'probe') {
      if (prevLogIndex !== this.#next - 1) {
        return false;
      }
      this.#next = Math.max(Math.min(prevLogIndex, lastPossibleMatch + 1), this.#match + 1);
      this.#probeSent = false;
      if (this.#next <= baseIndex) {
        this.#state = 'snapshot';
        this.#snapshotDue = true;
      }
    } else {
      this.becomeProbe(baseIndex);
    }
    this.#check();
    return true;
  }

  /** @returns true once per stay in `snapshot`: the driver is to be told. */
  takeSnapshotDue(): boolean {
    const due = this.#snapshotDue;
    this.#snapshotDue = false;
    return due;
  }

  /**
   * The driver's attempt to send a snapshot is over. Whether it helped shows in the answer to a probe, which waits
   * for a sign of life: a peer that cannot be reached is not asked over and over.
   * @param next where to ask if nothing better is known.
   */
  snapshotEnded(next: number): void {
    if (this.#state === 'snapshot') {
      this.becomeProbe(0);
      this.#probeSent = true;
      this.#next = Math.max(this.#next, next);
    }
  }

  /**
   * Back to asking where the logs agree, from what is known for certain, but not from before what the log still
   * holds: the peer may have more than it could tell, and a snapshot is sent to one that has said that it lacks it.
   */
  becomeProbe(baseIndex: number): void {
    this.#state = 'probe';
    this.#probeSent = false;
    this.#snapshotDue = false;
    this.#next = Math.max(this.#match, baseIndex) + 1;
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
