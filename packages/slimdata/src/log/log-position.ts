import assert from 'node:assert/strict';
import type { Entry, HardState } from '../raft/types.ts';
import type { LogBase, LogBatch } from './log-store.ts';
import { votedForBytesMax } from './record.ts';

/** What a log must know of its own past to judge the next batch, and to begin a segment anew. */
export interface LogPosition {
  readonly lastIndex: number;
  readonly hardState: HardState;
  /** First entry of each run of entries with one term, ascending; the first run begins at the base. Never empty. */
  readonly terms: readonly LogBase[];
}

/** Indexes and terms are stored in 48 bits. */
const integerMax = 2 ** 48 - 1;

/** The position behind what was recovered. */
export function createLogPosition(log: {
  readonly base: LogBase;
  readonly entries: readonly Entry[];
  readonly hardState: HardState;
}): LogPosition {
  const terms = [log.base];
  for (const { index, term } of log.entries) {
    if (term !== terms.at(-1)?.term) terms.push({ index, term });
  }
  return { lastIndex: log.base.index + log.entries.length, hardState: log.hardState, terms };
}

export function baseOf(position: LogPosition): LogBase {
  const base = position.terms[0];
  assert(base !== undefined, 'a log has a base');
  return base;
}

/** The last entry, or the base when there is none. */
export function lastOf(position: LogPosition): LogBase {
  return { index: position.lastIndex, term: position.terms.at(-1)?.term ?? 0 };
}

/** The position once entries up to `base` were removed; unchanged when they are gone already. */
export function rebaseLogPosition(position: LogPosition, base: LogBase): LogPosition {
  if (base.index <= baseOf(position).index) return position;
  return { ...position, terms: [base, ...position.terms.filter(({ index }) => index > base.index)] };
}

/** The position behind the batch. A batch that recovery would refuse is a programmer error, caught before it is written. */
export function advanceLogPosition(position: LogPosition, batch: LogBatch): LogPosition {
  const start = startOf(position, batch);
  let { lastIndex, terms } = start;
  let term = terms.at(-1)?.term ?? 0;
  for (const entry of batch.entries) {
    assert.equal(entry.index, lastIndex + 1, 'entries must follow each other without a gap');
    assert(
      Number.isSafeInteger(entry.term) && entry.term >= term && entry.term <= integerMax,
      'terms never decrease',
    );
    if (entry.term !== term) terms = [...terms, { index: entry.index, term: entry.term }];
    lastIndex = entry.index;
    term = entry.term;
  }
  assert(lastIndex <= integerMax, 'the log is full');
  if (batch.hardState !== null) assertSucceeds(position.hardState, batch.hardState);
  return { lastIndex, terms, hardState: batch.hardState ?? position.hardState };
}

/** What is left of the log before the entries of the batch come. */
function startOf(position: LogPosition, batch: LogBatch): Pick<LogPosition, 'lastIndex' | 'terms'> {
  const { snapshot, truncateFrom: from } = batch;
  const base = baseOf(position);
  if (snapshot !== null && snapshot !== undefined) {
    const { index, term } = snapshot;
    assert(from === null, 'a batch with a snapshot has nothing to truncate');
    assert(Number.isSafeInteger(index) && index <= integerMax, `index ${index} is not storable`);
    assert(Number.isSafeInteger(term) && term <= integerMax, `term ${term} is not storable`);
    // Both are committed, so what they cover agrees: a newer snapshot never has an older term.
    const isNewer = index > base.index && term >= base.term;
    assert(
      isNewer || (index === base.index && term === base.term),
      `snapshot ${index} is older than the log`,
    );
    return { lastIndex: index, terms: [{ index, term }] };
  }
  if (from === null) return position;
  assert(
    Number.isSafeInteger(from) && from > base.index && from <= position.lastIndex + 1,
    `cannot truncate from ${from}`,
  );
  const terms = position.terms.filter(({ index }) => index < from);
  return { lastIndex: from - 1, terms: terms.length === position.terms.length ? position.terms : terms };
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
