import assert from 'node:assert/strict';
import type { Entry } from './types.ts';

/** A position in the log together with the term found there: by log matching it names the whole prefix. */
export interface LogPosition {
  readonly index: number;
  readonly term: number;
}

/** What of the log a write must bring to the disk. */
export interface LogWrite {
  readonly truncateFrom: number | null;
  readonly entries: readonly Entry[];
}

/** A write that was handed out and is not yet durable. */
interface Outstanding {
  readonly token: number;
  /** Last index of this write that no later write takes away again; 0 = nothing is left of it. */
  lastIndex: number;
}

/**
 * The log in memory, with three marks: `durable` <= `handed out` <= `last`.
 * - Indexes are contiguous from 1 and terms never decrease (paper §5.3, log matching).
 * - What is at or below `commitIndex` is never removed (paper §5.4, state machine safety).
 */
export class RaftLog {
  readonly #entries: Entry[];
  #commitIndex = 0;
  /** Entries up to here have been given to a write, durable or not. */
  #handedIndex: number;
  /** Entries up to here are on the disk and no write under way removes them. */
  #durableIndex: number;
  /** Smallest index removed since the last write was taken. */
  #truncateFrom: number | null = null;
  /** Entries up to here have been given out as committed. */
  #deliveredIndex = 0;
  readonly #outstanding: Outstanding[] = [];

  /** @param entries as recovered from the disk: durable, contiguous from index 1. */
  constructor(entries: readonly Entry[]) {
    this.#entries = [];
    this.append(entries);
    this.#handedIndex = this.lastIndex;
    this.#durableIndex = this.lastIndex;
  }

  get lastIndex(): number {
    return this.#entries.length;
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? 0;
  }

  get commitIndex(): number {
    return this.#commitIndex;
  }

  get durableIndex(): number {
    return this.#durableIndex;
  }

  /** Term at `index`: 0 before the first entry, undefined past the last one. */
  termAt(index: number): number | undefined {
    return index === 0 ? 0 : this.entryAt(index)?.term;
  }

  entryAt(index: number): Entry | undefined {
    return this.#entries[index - 1];
  }

  /** Entries from `from` on: at least one if there is one, then as many as fit into `bytesMax`. */
  entriesFrom(from: number, bytesMax: number): Entry[] {
    const chosen: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= this.lastIndex; index += 1) {
      const entry = this.#entries[index - 1];
      assert(entry !== undefined, `entry ${index} of ${this.lastIndex} is missing`);
      bytes += entryBytes(entry);
      if (bytes > bytesMax && chosen.length > 0) {
        break;
      }
      chosen.push(entry);
    }
    return chosen;
  }

  /**
   * The election restriction (paper §5.4.1): the later last term wins; with equal terms the longer log wins.
   * Index and term are compared in that order, never each on its own.
   */
  isUpToDate(lastLogIndex: number, lastLogTerm: number): boolean {
    return lastLogTerm > this.lastTerm || (lastLogTerm === this.lastTerm && lastLogIndex >= this.lastIndex);
  }

  /**
   * Largest position at or below `index` whose term is not above `term`: the last place where another log,
   * of which the entry at `index` has `term`, may still agree with this one. Skips whole terms at a time,
   * so that a long divergent tail costs a round trip per term and not per entry (end of paper §5.3).
   */
  lastPossibleMatch(index: number, term: number): LogPosition {
    let candidate = Math.min(index, this.lastIndex);
    let candidateTerm = this.termAt(candidate);
    while (candidateTerm !== undefined && candidateTerm > term) {
      candidate -= 1;
      candidateTerm = this.termAt(candidate);
    }
    assert(candidateTerm !== undefined, `no term at ${candidate}, log ends at ${this.lastIndex}`);
    return { index: candidate, term: candidateTerm };
  }

  /** Adds entries at the end. The only way in which a leader changes its log (paper §5.3, leader append-only). */
  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert.equal(entry.index, this.lastIndex + 1, `gap: entry ${entry.index} after ${this.lastIndex}`);
      assert(entry.term >= this.lastTerm, `entry ${entry.index}: term ${entry.term} after ${this.lastTerm}`);
      this.#entries.push(entry);
    }
  }

  /**
   * Follower's side of AppendEntries (paper, figure 2, receiver steps 3 and 4), the previous entry having
   * matched. Entries that are already there stay: an old, shorter message that arrives late must not remove
   * what a newer one brought.
   */
  merge(entries: readonly Entry[]): void {
    const firstNew = entries.findIndex((entry) => this.termAt(entry.index) !== entry.term);
    const entry = entries[firstNew];
    if (entry === undefined) {
      return;
    }
    this.#truncate(entry.index);
    this.append(entries.slice(firstNew));
  }

  /** Raises the commit index; a lower one is old news. */
  commitTo(index: number): void {
    assert(index <= this.lastIndex, `commit ${index} beyond the last entry ${this.lastIndex}`);
    this.#commitIndex = Math.max(this.#commitIndex, index);
  }

  /** Takes what changed since the last call for one write, or null if nothing did. */
  takeWrite(token: number): LogWrite | null {
    if (this.#truncateFrom === null && this.#handedIndex === this.lastIndex) {
      return null;
    }
    const write = { truncateFrom: this.#truncateFrom, entries: this.#entries.slice(this.#handedIndex) };
    this.#truncateFrom = null;
    this.#handedIndex = this.lastIndex;
    this.#outstanding.push({ token, lastIndex: this.lastIndex });
    return write;
  }

  /**
   * The write `token` and all before it are durable. What later writes have yet to remove is not counted:
   * otherwise, when index 5 is written in term 1, replaced in term 2 and again by the entry of term 1, the
   * first write would be taken for the third one, which a crash can still undo (the append ABA race).
   */
  written(token: number): void {
    const first = this.#outstanding[0];
    if (first?.token !== token) {
      assert(
        first === undefined || first.token > token,
        `write ${token} acknowledged before ${first?.token}`,
      );
      return;
    }
    this.#outstanding.shift();
    this.#durableIndex = Math.max(this.#durableIndex, first.lastIndex);
    assert(this.#durableIndex <= this.#handedIndex, 'durable beyond what was handed out');
  }

  /** Entries that became committed and durable since the last call, in order. */
  takeCommitted(): Entry[] {
    const end = Math.min(this.#commitIndex, this.#durableIndex);
    if (end <= this.#deliveredIndex) {
      return [];
    }
    const entries = this.#entries.slice(this.#deliveredIndex, end);
    this.#deliveredIndex = end;
    return entries;
  }

  /** Removes everything from `from` on; nothing if the log ends before it. */
  #truncate(from: number): void {
    assert(from > this.#commitIndex, `conflict at ${from}, which is committed (up to ${this.#commitIndex})`);
    this.#entries.length = from - 1;
    if (from <= this.#handedIndex) {
      // Lower than any earlier one since the last write: what that removed is no longer below the mark.
      this.#truncateFrom = from;
      this.#handedIndex = from - 1;
      this.#durableIndex = Math.min(this.#durableIndex, from - 1);
      for (const write of this.#outstanding) {
        write.lastIndex = Math.min(write.lastIndex, from - 1);
      }
    }
  }
}

/** What an entry counts for in every byte bound: its payload and a flat allowance for the rest of it. */
export function entryBytes(entry: Entry): number {
  return entry.payload.length + ENTRY_OVERHEAD_BYTES;
}

/** Keeps a flood of entries with empty payloads bounded too. */
const ENTRY_OVERHEAD_BYTES = 32;
