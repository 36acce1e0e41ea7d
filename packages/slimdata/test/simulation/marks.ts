/**
 * Rare paths that a batch of runs must have taken ("sometimes" assertions): a simulation that never truncates
 * a log says nothing about truncation. `batch` marks must be hit by any few hundred seeds; `rare` ones only
 * by thousands.
 */
export const batchMarks = [
  'append refused with a hint',
  'check-quorum step-down',
  'cluster of one committed',
  'cluster of seven committed',
  'crash between effects',
  'duplicate delivered',
  'follower read confirmed',
  'inbox overflowed',
  'late tick',
  'leader crash with uncommitted entries',
  'leader paused',
  'leader read confirmed',
  'log truncated',
  'message cut off',
  'message lost',
  'message overtaken',
  'old term committed by a newer one',
  'one-way partition',
  'partial partition',
  'pre-vote refused',
  'proposal overloaded',
  'proposal refused',
  'read refused',
  'restart with a vote in the current term',
  'stale leader deposed by a higher term',
  'several inputs in one turn',
  'recovery with a member lost',
  'transfer done',
  'two leaders at once',
  'unreachable reported',
  'unsynced batches kept',
  'unsynced batches lost',
  'unsynced truncation lost',
  'vote refused',
  'vote split',
] as const;

export const rareMarks = ['entry on a durable majority overwritten'] as const;

export type Mark = (typeof batchMarks)[number] | (typeof rareMarks)[number];

/** How often each rare path was taken. */
export class Marks {
  readonly #counts = new Map<Mark, number>();

  hit(mark: Mark): void {
    this.#counts.set(mark, (this.#counts.get(mark) ?? 0) + 1);
  }

  count(mark: Mark): number {
    return this.#counts.get(mark) ?? 0;
  }

  addAll(other: Marks): void {
    for (const [mark, count] of other.#counts) {
      this.#counts.set(mark, this.count(mark) + count);
    }
  }

  /** Those of `marks` that were never hit. */
  missing(marks: readonly Mark[]): Mark[] {
    return marks.filter((mark) => this.count(mark) === 0);
  }
}
