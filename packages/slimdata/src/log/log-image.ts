import type { Entry, HardState } from '../raft/types.ts';
import { corruptLog, LogError, type LogPlace, logRemedies } from './log-error.ts';
import { succeeds } from './log-position.ts';
import type { LogBase } from './log-store.ts';
import type { LogChange } from './record.ts';
import { SegmentExtents } from './segment-extents.ts';
import type { SegmentHeader } from './segment-header.ts';
import type { ChainPosition } from './segment-scan.ts';

/**
 * The log as the segments tell it, in order. Checksums show that what is read is what was written; this checks that it
 * also makes sense as a log, so that a lost or swapped file cannot become a hole or a forgotten vote.
 */
export class LogImage {
  /** Every segment whose header was read, also those that no longer count. */
  readonly extents = new SegmentExtents();
  #entries: Entry[] = [];
  #base: LogBase = { index: 0, term: 0 };
  #hardState: HardState = { term: 0, votedFor: null };
  #diskId: string | null = null;
  #baseSegment = 1;
  #segment = 1;

  /** Behind it come the entries. */
  get base(): LogBase {
    return this.#base;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  /** Null until a header was read. */
  get diskId(): string | null {
    return this.#diskId;
  }

  get lastIndex(): number {
    return this.#base.index + this.#entries.length;
  }

  /** Lowest segment that must be there. */
  get baseSegment(): number {
    return this.#baseSegment;
  }

  /** The first header is believed; every later one must continue what came before. */
  applyHeader(
    header: SegmentHeader,
    expected: { number: number; bytes: number; start: ChainPosition },
    place: LogPlace,
  ) {
    if (this.#diskId !== null && header.diskId !== this.#diskId)
      throw foreignDisk(header.diskId, this.#diskId, place);
    if (header.number !== expected.number) {
      throw corruptLog(place, `it is segment ${header.number} under the name of segment ${expected.number}`);
    }
    if (header.segmentBytes !== expected.bytes) {
      throw corruptLog(
        place,
        `the file has ${expected.bytes} bytes instead of ${header.segmentBytes}: it was cut off`,
      );
    }
    if (this.#diskId === null) {
      this.#diskId = header.diskId;
      this.#base = header.before;
      this.#hardState = header.hardState;
      this.#baseSegment = header.baseSegment;
    } else if (!this.#isContinuedBy(header, expected.start)) {
      throw corruptLog(place, 'the segment does not continue the one before it');
    }
    this.#segment = header.number;
    this.extents.begin(header.number, header.before);
  }

  applyChange(change: LogChange, place: LogPlace): void {
    switch (change.type) {
      case 'entry':
        this.#append(change.entry, place);
        break;
      case 'truncation':
        this.#truncate(change.from, place);
        break;
      case 'hardState':
        if (!succeeds(this.#hardState, change.hardState))
          throw corruptLog(place, 'a term or vote was taken back');
        this.#hardState = change.hardState;
        break;
      case 'reset':
        this.#entries = [];
        this.#base = change.base;
        this.extents.reset();
        break;
      case 'removal':
        this.#remove(change.segment, change.base, place);
        break;
    }
  }

  #isContinuedBy(header: SegmentHeader, start: ChainPosition): boolean {
    return (
      header.chain === start.chain &&
      header.sequence === start.sequence &&
      header.before.index === this.lastIndex &&
      header.before.term === this.#lastTerm() &&
      header.baseSegment === this.#baseSegment &&
      header.hardState.term === this.#hardState.term &&
      header.hardState.votedFor === this.#hardState.votedFor
    );
  }

  #lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#base.term;
  }

  #append(entry: Entry, place: LogPlace): void {
    if (entry.index !== this.lastIndex + 1) {
      throw corruptLog(place, `entry ${entry.index} follows entry ${this.lastIndex}`);
    }
    if (entry.term < this.#lastTerm()) throw corruptLog(place, `entry ${entry.index} has a lower term`);
    this.#entries.push(entry);
  }

  #truncate(from: number, place: LogPlace): void {
    if (from <= this.#base.index || from > this.lastIndex + 1) {
      const log = `the log from ${this.#base.index + 1} to ${this.lastIndex}`;
      throw corruptLog(place, `a truncation from ${from} is outside ${log}`);
    }
    this.#entries.length = from - this.#base.index - 1;
    this.extents.truncate(from);
  }

  /**
   * Changes entries only while files are still there that were to be removed: whoever reads from a later segment on has
   * a higher base already.
   */
  #remove(segment: number, base: LogBase, place: LogPlace): void {
    if (segment < this.#baseSegment || segment > this.#segment || base.index > this.lastIndex) {
      throw corruptLog(place, `segments below ${segment} cannot have been given up here`);
    }
    this.#baseSegment = segment;
    const removed = base.index - this.#base.index;
    if (removed < 0) return;
    const term = removed === 0 ? this.#base.term : this.#entries[removed - 1]?.term;
    if (base.term !== term) {
      throw corruptLog(place, `entry ${base.index} has term ${term}, but was removed with term ${base.term}`);
    }
    this.#entries = this.#entries.slice(removed);
    this.#base = base;
  }
}

function foreignDisk(found: string, expected: string, place: LogPlace): LogError {
  const reason = `it belongs to disk ${found}, the segments before it to disk ${expected}`;
  return new LogError(
    'foreign_disk',
    `Log segment "${place.path}" is of another member: ${reason}. ${logRemedies.foreign_disk}`,
    { place, reason },
  );
}
