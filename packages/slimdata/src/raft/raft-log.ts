import assert from 'node:assert/strict';
import { decodeConfiguration } from './configuration-codec.ts';
import { ConfigurationHistory } from './configuration-history.ts';
import {
  type Configuration,
  type Entry,
  EntryKind,
  type LogPosition,
  type SnapshotPosition,
} from './types.ts';

/** What of the log a write must bring to the disk. */
export interface LogWrite {
  /** Drop everything first and begin after this. */
  readonly snapshot: LogPosition | null;
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
 * The log in memory, with these marks: `base` <= `delivered` <= `commit` and `durable` <= `handed out` <= `last`.
 * - Indexes are contiguous from `base` + 1 and terms never decrease (paper §5.3, log matching).
 * - What is at or below `commitIndex` is never removed (paper §5.4, state machine safety), only compacted (§7).
 */
export class RaftLog {
  /** Those in the entries kept, and the one in force before them. */
  readonly configurations: ConfigurationHistory;
  /** Compacted up to here. Its term is still known, so the entry after it can be sent and compared. */
  #base: LogPosition;
  #entries: Entry[] = [];
  #commitIndex: number;
  /** Entries up to here have been given to a write, durable or not. */
  #handedIndex: number;
  /** Entries up to here are on the disk and no write under way removes them. */
  #durableIndex: number;
  /** Position after which the log was begun anew since the last write was taken. */
  #resetTo: LogPosition | null = null;
  /** Smallest index removed since the last write was taken. */
  #truncateFrom: number | null = null;
  /** Entries up to here have been given out as committed, or are part of a checkpoint. */
  #deliveredIndex: number;
  readonly #outstanding: Outstanding[] = [];

  /**
   * @param entries as found on the disk: durable, contiguous after `base`.
   * @param checkpoint what has been applied; configurations before it will not be asked for.
   */
  private constructor(base: LogPosition, entries: readonly Entry[], checkpoint: SnapshotPosition) {
    this.#base = base;
    this.configurations = new ConfigurationHistory(checkpoint.index, checkpoint.configuration);
    this.append(entries);
    this.#handedIndex = this.lastIndex;
    this.#durableIndex = this.lastIndex;
    this.#commitIndex = checkpoint.index;
    this.#deliveredIndex = checkpoint.index;
  }

  /** The log as a start finds it; begun anew if it does not hold the checkpoint's position. */
  static recovered(base: LogPosition, entries: readonly Entry[], checkpoint: SnapshotPosition): RaftLog {
    const termOfCheckpoint =
      checkpoint.index === base.index ? base.term : entries[checkpoint.index - base.index - 1]?.term;
    if (termOfCheckpoint === checkpoint.term) {
      return new RaftLog(base, entries, checkpoint);
    }
    const position = { index: checkpoint.index, term: checkpoint.term };
    const log = new RaftLog(position, [], checkpoint);
    log.#resetTo = position;
    return log;
  }

  /** Position before the first entry that is kept. */
  get base(): LogPosition {
    return this.#base;
  }

  get lastIndex(): number {
    return this.#base.index + this.#entries.length;
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#base.term;
  }

  get commitIndex(): number {
    return this.#commitIndex;
  }

  get durableIndex(): number {
    return this.#durableIndex;
  }

  /** Term at `index`, 0 at index 0; undefined past the last entry and before `base`. */
  termAt(index: number): number | undefined {
    return index === this.#base.index ? this.#base.term : this.entryAt(index)?.term;
  }

  /** The entry at `index`; undefined past the last one and for what was compacted. */
  entryAt(index: number): Entry | undefined {
    return this.#entries[this.#positionOf(index)];
  }

  /** Entries from `from` on: at least one if there is one, then as many as fit into `bytesMax`. */
  entriesFrom(from: number, bytesMax: number): Entry[] {
    const chosen: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= this.lastIndex; index += 1) {
      const entry = this.entryAt(index);
      assert(
        entry !== undefined,
        `entry ${index} of ${this.#base.index + 1} to ${this.lastIndex} is missing`,
      );
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
   * Largest index at or below `index` whose term is not above `term`: the last place where another log,
   * of which the entry at `index` has `term`, may still agree with this one. Skips whole terms at a time,
   * so that a long divergent tail costs a round trip per term and not per entry (end of paper §5.3).
   * Below `base`, where terms are not known any more, it is only a bound: agreement is possible nowhere above.
   */
  lastPossibleMatch(index: number, term: number): number {
    let candidate = Math.min(index, this.lastIndex);
    while ((this.termAt(candidate) ?? 0) > term) {
      candidate -= 1;
    }
    return candidate;
  }

  /** Adds entries at the end. The only way in which a leader changes its log (paper §5.3, leader append-only). */
  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert.equal(entry.index, this.lastIndex + 1, `gap: entry ${entry.index} after ${this.lastIndex}`);
      assert(entry.term >= this.lastTerm, `entry ${entry.index}: term ${entry.term} after ${this.lastTerm}`);
      this.#entries.push(entry);
      if (entry.kind === EntryKind.Configuration && entry.index > this.configurations.latestIndex) {
        this.configurations.append(entry.index, decodeConfiguration(entry.payload));
      }
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

  /**
   * Forgets the entries up to `index`, which a durable checkpoint covers (paper §7). Their term at `index` stays
   * known. An index that was passed before is old news.
   */
  compact(index: number): void {
    assert(
      index <= this.#deliveredIndex,
      `entries up to ${index} compacted, but only those up to ${this.#deliveredIndex} were handed out to be applied`,
    );
    const term = this.termAt(index);
    if (term === undefined || index === this.#base.index) {
      return;
    }
    this.#entries = this.#entries.slice(index - this.#base.index);
    this.#base = { index, term };
    this.configurations.compact(index);
  }

  /**
   * Begins anew after `base`: a snapshot, durable on this member, stands for everything up to there, and what the
   * log held was missing it or in conflict with it (paper §7, figure 13, receiver step 7).
   */
  reset(base: LogPosition, configuration: Configuration): void {
    const { index } = base;
    assert(index > this.#commitIndex, `log begun anew at ${index}, but committed up to ${this.#commitIndex}`);
    this.#base = base;
    this.#entries = [];
    this.configurations.reset(index, configuration);
    this.#commitIndex = index;
    this.#deliveredIndex = index;
    this.#handedIndex = index;
    // Durable in the snapshot; should the reset be lost in a crash, the next start makes up for it.
    this.#durableIndex = index;
    this.#resetTo = base;
    this.#truncateFrom = null;
    for (const write of this.#outstanding) {
      write.lastIndex = 0;
    }
  }

  /** Takes what changed since the last call for one write, or null if nothing did. */
  takeWrite(token: number): LogWrite | null {
    const snapshot = this.#resetTo;
    const truncateFrom = this.#truncateFrom;
    if (snapshot === null && truncateFrom === null && this.#handedIndex === this.lastIndex) {
      return null;
    }
    const entries = this.#entries.slice(this.#positionOf(this.#handedIndex + 1));
    this.#resetTo = null;
    this.#truncateFrom = null;
    this.#handedIndex = this.lastIndex;
    this.#outstanding.push({ token, lastIndex: this.lastIndex });
    return { snapshot, truncateFrom, entries };
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
    const entries = this.#entries.slice(
      this.#positionOf(this.#deliveredIndex + 1),
      this.#positionOf(end + 1),
    );
    this.#deliveredIndex = end;
    return entries;
  }

  /** Removes everything from `from` on; nothing if the log ends before it. */
  #truncate(from: number): void {
    assert(from > this.#commitIndex, `conflict at ${from}, which is committed (up to ${this.#commitIndex})`);
    this.#entries.length = this.#positionOf(from);
    this.configurations.truncate(from);
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

  #positionOf(index: number): number {
    return index - this.#base.index - 1;
  }
}

/** What an entry counts for in every byte bound: its payload and a flat allowance for the rest of it. */
export function entryBytes(entry: Entry): number {
  return entry.payload.length + ENTRY_OVERHEAD_BYTES;
}

/** Keeps a flood of entries with empty payloads bounded too. */
const ENTRY_OVERHEAD_BYTES = 32;
