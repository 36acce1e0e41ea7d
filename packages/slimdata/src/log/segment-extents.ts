import assert from 'node:assert/strict';
import type { LogBase } from './log-store.ts';

/** What must be known of a segment to tell whether the log could begin with it. */
interface SegmentExtent {
  readonly number: number;
  /** Where the log stood when the segment was begun, as its header says. */
  readonly before: LogBase;
  /** Lowest index that a truncation in it removed, before anything was forgotten for a snapshot. */
  truncatedFrom: number;
  /** In it the log forgot everything for a snapshot. */
  isReset: boolean;
}

/** A segment with which the log may begin. */
export interface FirstSegment {
  readonly number: number;
  /** Base of the log that begins with it; null when a later snapshot in the log decides that anyway. */
  readonly base: LogBase | null;
}

/** The segments that belong to the log, oldest first, and what was done in each. Written to and read alike. */
export class SegmentExtents {
  #list: SegmentExtent[] = [];

  begin(number: number, before: LogBase): void {
    this.#list.push({ number, before, truncatedFrom: Number.POSITIVE_INFINITY, isReset: false });
  }

  truncate(from: number): void {
    const current = this.#current();
    if (!current.isReset) current.truncatedFrom = Math.min(current.truncatedFrom, from);
  }

  reset(): void {
    this.#current().isReset = true;
  }

  /**
   * The newest segment that the log may begin with when no entry at or below `index` is needed. Those before it must
   * hold no needed entry, and nothing that comes later may refer back to them: a truncation below the beginning of a
   * segment means that some entries which its header counts were replaced, so it cannot be read without those before it.
   */
  firstNeeded(index: number): FirstSegment {
    let truncatedFrom = Number.POSITIVE_INFINITY;
    let isReset = false;
    for (const extent of this.#list.toReversed()) {
      truncatedFrom = extent.isReset ? extent.truncatedFrom : Math.min(truncatedFrom, extent.truncatedFrom);
      isReset ||= extent.isReset;
      const isNeedless = isReset || extent.before.index <= index;
      if (isNeedless && truncatedFrom > extent.before.index) {
        return { number: extent.number, base: isReset ? null : extent.before };
      }
    }
    return { number: this.#list[0]?.number ?? 1, base: null };
  }

  /** Forgets the segments below this one. Returns their numbers, newest first. */
  removeBelow(number: number): number[] {
    const removed = this.#list.filter((extent) => extent.number < number);
    this.#list = this.#list.filter((extent) => extent.number >= number);
    return removed.map((extent) => extent.number).toReversed();
  }

  #current(): SegmentExtent {
    const current = this.#list.at(-1);
    assert(current !== undefined, 'no segment was begun');
    return current;
  }
}
