import assert from 'node:assert/strict';
import type { HardState } from '../raft/types.ts';
import type { LogBatch } from './log-store.ts';
import { votedForBytesMax } from './record.ts';

/** What a log must know of its own past to judge the next batch. */
export interface LogPosition {
  /** 0 while the log has never held an entry. */
  readonly lastIndex: number;
  readonly hardState: HardState;
}

/** Indexes and terms are stored in 48 bits. */
const integerMax = 2 ** 48 - 1;

/** The position behind the batch. A batch that recovery would refuse is a programmer error, caught before it is written. */
export function advanceLogPosition(position: LogPosition, batch: LogBatch): LogPosition {
  let lastIndex = position.lastIndex;
  if (batch.truncateFrom !== null) {
    const from = batch.truncateFrom;
    assert(Number.isSafeInteger(from) && from >= 1 && from <= lastIndex + 1, `cannot truncate from ${from}`);
    lastIndex = from - 1;
  }
  let term = 0;
  for (const entry of batch.entries) {
    assert.equal(entry.index, lastIndex + 1, 'entries must follow each other without a gap');
    assert(
      Number.isSafeInteger(entry.term) && entry.term >= term && entry.term <= integerMax,
      'terms never decrease',
    );
    lastIndex = entry.index;
    term = entry.term;
  }
  assert(lastIndex <= integerMax, 'the log is full');
  if (batch.hardState !== null) assertSucceeds(position.hardState, batch.hardState);
  return { lastIndex, hardState: batch.hardState ?? position.hardState };
}

/** Paper, figure 2: the term only grows, and a vote given in a term is never changed or taken back. */
function assertSucceeds(before: HardState, after: HardState): void {
  assert(Number.isSafeInteger(after.term) && after.term <= integerMax, `term ${after.term} is not storable`);
  assert(
    succeeds(before, after),
    `hard state ${JSON.stringify(after)} cannot follow ${JSON.stringify(before)}`,
  );
  assert(
    Buffer.byteLength(after.votedFor ?? '') <= votedForBytesMax,
    `the name "${after.votedFor}" is too long`,
  );
}

export function succeeds(before: HardState, after: HardState): boolean {
  if (after.term !== before.term) return after.term > before.term;
  return before.votedFor === null || before.votedFor === after.votedFor;
}
