import type { Entry, HardState } from '../raft/types.ts';
import { corruptLog, LogError, type LogPlace } from './log-error.ts';
import { succeeds } from './log-position.ts';
import type { LogChange } from './record.ts';
import type { SegmentHeader } from './segment-header.ts';
import type { ChainPosition } from './segment-scan.ts';

/**
 * The log as the segments tell it, in order. Checksums show that what is read is what was written; this checks that it
 * also makes sense as a log, so that a lost or swapped file cannot become a hole or a forgotten vote.
 */
export class LogImage {
  #entries: Entry[] = [];
  #firstIndex = 1;
  #hardState: HardState = { term: 0, votedFor: null };
  #diskId: string | null = null;
  #baseSegment = 1;

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
    return this.#firstIndex + this.#entries.length - 1;
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
      this.#firstIndex = header.firstIndex;
      this.#hardState = header.hardState;
    } else if (!this.#isContinuedBy(header, expected.start)) {
      throw corruptLog(place, 'the segment does not continue the one before it');
    }
    this.#baseSegment = header.baseSegment;
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
    }
  }

  #isContinuedBy(header: SegmentHeader, start: ChainPosition): boolean {
    return (
      header.chain === start.chain &&
      header.sequence === start.sequence &&
      header.firstIndex === this.lastIndex + 1 &&
      header.hardState.term === this.#hardState.term &&
      header.hardState.votedFor === this.#hardState.votedFor
    );
  }

  #append(entry: Entry, place: LogPlace): void {
    if (entry.index !== this.lastIndex + 1) {
      throw corruptLog(place, `entry ${entry.index} follows entry ${this.lastIndex}`);
    }
    if (entry.term < (this.#entries.at(-1)?.term ?? 0))
      throw corruptLog(place, `entry ${entry.index} has a lower term`);
    this.#entries.push(entry);
  }

  #truncate(from: number, place: LogPlace): void {
    if (from < this.#firstIndex || from > this.lastIndex + 1) {
      throw corruptLog(place, `a truncation from ${from} is outside the log`);
    }
    this.#entries.length = from - this.#firstIndex;
  }
}

function foreignDisk(found: string, expected: string, place: LogPlace): LogError {
  return new LogError(
    'foreign_disk',
    `Log segment "${place.path}" belongs to disk ${found}, the segments before it to disk ${expected}. Nothing was ` +
      'changed. Files of two members were mixed: put back the files of this one, or empty the directory so that this ' +
      'member rejoins as new.',
    { place },
  );
}
