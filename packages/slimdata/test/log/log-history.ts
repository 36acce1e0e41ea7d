import { crc32 } from 'node:zlib';
import * as fc from 'fast-check';
import type { WriteAheadLogOptions } from '../../src/log/log-settings.ts';
import type { LogBase, LogBatch, LogStore, RecoveredLog } from '../../src/log/log-store.ts';
import { openWriteAheadLog } from '../../src/log/write-ahead-log.ts';
import type { Logger } from '../../src/logger.ts';
import { type Entry, EntryKind, type HardState } from '../../src/raft/types.ts';

export const silentLogger: Logger = { info: () => {}, warn: () => {}, error: () => {} };

/** A logger that keeps the names of its events. */
export function createRecordingLogger(): { logger: Logger; events: string[] } {
  const events: string[] = [];
  const keep = (_facts: object, event: string) => void events.push(event);
  return { logger: { info: keep, warn: keep, error: keep }, events };
}

/** What a batch does, before it is fitted to the log it meets. */
export interface Step {
  readonly entryBytes: readonly number[];
  /** How many of the newest entries are removed first; null = no truncation. */
  readonly removed: number | null;
  readonly isTermRaised: boolean;
  readonly vote: string | null;
  /** The log is given up for a snapshot so far behind what it could not truncate; absent = no. */
  readonly snapshotAhead?: number | null;
  /** Once the batch is durable, `removeBefore` is called with this share of the log; absent or 0 = not at all. */
  readonly given?: number;
}

export interface LogState {
  /** Behind it come the entries. In a history: of the newest snapshot. */
  readonly base: LogBase;
  readonly entries: readonly Entry[];
  readonly hardState: HardState;
}

/** `states[i]` is the log after the first i batches; `removals[i]` is to be given to `removeBefore` then, 0 = not. */
export interface History {
  readonly batches: readonly LogBatch[];
  readonly states: readonly LogState[];
  readonly removals: readonly number[];
}

const emptyState: LogState = {
  base: { index: 0, term: 0 },
  entries: [],
  hardState: { term: 0, votedFor: null },
};

/** Turns steps into batches that a core could have sent. */
export function buildHistory(steps: readonly Step[]): History {
  const batches: LogBatch[] = [];
  const states: LogState[] = [emptyState];
  const removals: number[] = [0];
  let state = emptyState;
  let applied = 0;
  for (const step of steps) {
    const batch = fitBatch(state, step, applied);
    state = applyBatch(state, batch);
    batches.push(batch);
    states.push(state);
    applied = Math.max(applied, state.base.index);
    const removal = Math.floor((step.given ?? 0) * lastIndexOf(state));
    removals.push(removal > applied ? removal : 0);
    applied = Math.max(applied, removal);
  }
  return { batches, states, removals };
}

function lastIndexOf(state: LogState): number {
  return state.base.index + state.entries.length;
}

/** Nothing at or below `applied` changes any more. */
function fitBatch(state: LogState, step: Step, applied: number): LogBatch {
  const lastIndex = lastIndexOf(state);
  const kept = Math.max(applied, lastIndex - (step.removed ?? 0));
  const term = state.hardState.term + (step.isTermRaised ? 1 : 0);
  const votedFor = (step.isTermRaised ? null : state.hardState.votedFor) ?? step.vote;
  const hasHardState = term !== state.hardState.term || votedFor !== state.hardState.votedFor;
  const ahead = step.snapshotAhead ?? null;
  const snapshot = ahead === null ? null : { index: applied + 1 + ahead, term };
  const first = (snapshot?.index ?? kept) + 1;
  return {
    snapshot,
    truncateFrom: step.removed === null || snapshot !== null ? null : kept + 1,
    entries: step.entryBytes.map((bytes, offset) => createEntry(first + offset, term, bytes)),
    hardState: hasHardState ? { term, votedFor } : null,
  };
}

/** Content follows from the arguments; every third entry is zeros, which must not be taken for an empty disk. */
export function createEntry(index: number, term: number, bytes: number): Entry {
  const isZeros = index % 3 === 0;
  const payload = Buffer.alloc(bytes, isZeros ? 0 : (index * 31 + term * 7 + bytes) % 256);
  return { index, term, kind: index % 5 === 0 ? EntryKind.Noop : EntryKind.Command, payload };
}

function applyBatch({ base, entries, hardState }: LogState, batch: LogBatch): LogState {
  const { snapshot, truncateFrom } = batch;
  const next = batch.hardState ?? hardState;
  if (snapshot) return { base: snapshot, entries: batch.entries, hardState: next };
  const kept = truncateFrom === null ? entries : entries.slice(0, truncateFrom - 1 - base.index);
  return { base, entries: [...kept, ...batch.entries], hardState: next };
}

/** Equal texts, equal states. */
export function describeState({ base, entries, hardState }: LogState): string {
  const texts = entries.map(
    ({ index, term, kind, payload }) => `${index}/${term}/${kind}/${payload.length}/${crc32(payload)}`,
  );
  return `${hardState.term} ${hardState.votedFor} ${base.index}/${base.term} ${texts.join(' ')}`;
}

/** The state as a log tells it that has removed everything up to `index`; null where it cannot have done so. */
function rebase(state: LogState, index: number): LogState | null {
  const removed = index - state.base.index;
  if (removed === 0) return state;
  const last = state.entries[removed - 1];
  if (last === undefined) return null;
  return { ...state, base: { index, term: last.term }, entries: state.entries.slice(removed) };
}

/** The first state from `from` on that a log recovered like this may have been in; -1 = none. */
export function findState(history: History, recovered: LogState, from = 0): number {
  const wanted = describeState(recovered);
  const { index } = recovered.base;
  const removedMax = Math.max(...history.removals);
  return history.states.findIndex((state, position) => {
    if (position < from) return false;
    if (index > Math.max(state.base.index, removedMax)) return false;
    const seen = rebase(state, index);
    return seen !== null && describeState(seen) === wanted;
  });
}

/** As `findState`, the last one. */
export function findLastState(history: History, recovered: LogState): number {
  let found = -1;
  for (let at = findState(history, recovered); at >= 0; at = findState(history, recovered, at + 1))
    found = at;
  return found;
}

/** Appends batches `from` to `to` of a history one by one, with the removals behind each, and tells of each. */
export async function playHistory(
  log: LogStore,
  history: History,
  onDurable: () => void = () => {},
  from = 0,
  to = history.batches.length,
): Promise<void> {
  for (const [offset, batch] of history.batches.slice(from, to).entries()) {
    await appendDurably(log, batch);
    const removal = history.removals[from + offset + 1] ?? 0;
    if (removal > 0) log.removeBefore(removal);
    onDurable();
  }
}

export function steps(options: {
  entryBytesMax: number;
  batchesMax: number;
  /** With snapshots and removals. */
  isCompacted?: boolean;
}): fc.Arbitrary<Step[]> {
  const rare = options.isCompacted ? 1 : 0;
  const step = fc.record({
    entryBytes: fc.array(fc.integer({ min: 0, max: options.entryBytesMax }), { maxLength: 4 }),
    removed: fc.oneof(
      { weight: 4, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: fc.nat({ max: 5 }) },
    ),
    isTermRaised: fc.boolean(),
    vote: fc.constantFrom(null, 'slimfaas-0', 'slimfaas-1'),
    snapshotAhead: fc.oneof(
      { weight: 8, arbitrary: fc.constant(null) },
      { weight: rare, arbitrary: fc.nat({ max: 8 }) },
    ),
    given: fc.oneof(
      { weight: 2, arbitrary: fc.constant(0) },
      { weight: rare, arbitrary: fc.double({ min: 0.3, max: 1, noNaN: true }) },
    ),
  });
  return fc.array(step, { minLength: 1, maxLength: options.batchesMax });
}

export type OpenOptions = Pick<WriteAheadLogOptions, 'fileSystem'> & Partial<WriteAheadLogOptions>;

/** Opens with defaults for tests: small segments, and a fatal error fails whoever waits. */
export function openTestLog(
  options: OpenOptions,
): Promise<{ log: LogStore & AsyncDisposable; recovered: RecoveredLog }> {
  return openWriteAheadLog({
    directory: '/log',
    logger: silentLogger,
    randomBytes: (size) => Buffer.alloc(size, 0xd1),
    onFatal: () => {},
    segmentBytes: 2048,
    ...options,
  });
}

/** Resolves once the batch is durable. */
export function appendDurably(log: LogStore, batch: LogBatch): Promise<void> {
  return new Promise((resolve) => log.append(batch, resolve));
}

/** A batch of entries only, `indexes` long, from `first` on. */
export function entriesBatch(first: number, count: number, bytes = 16): LogBatch {
  const entries = Array.from({ length: count }, (_, offset) => createEntry(first + offset, 1, bytes));
  return { hardState: null, truncateFrom: null, entries };
}
