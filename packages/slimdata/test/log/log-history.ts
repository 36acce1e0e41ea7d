import { crc32 } from 'node:zlib';
import * as fc from 'fast-check';
import type { LogBatch, LogStore, RecoveredLog } from '../../src/log/log-store.ts';
import { openWriteAheadLog, type WriteAheadLogOptions } from '../../src/log/write-ahead-log.ts';
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
}

export interface LogState {
  readonly entries: readonly Entry[];
  readonly hardState: HardState;
}

const emptyState: LogState = { entries: [], hardState: { term: 0, votedFor: null } };

/** Turns steps into batches that a core could have sent; `states[i]` is the log after the first i batches. */
export function buildHistory(steps: readonly Step[]): { batches: LogBatch[]; states: LogState[] } {
  const batches: LogBatch[] = [];
  const states: LogState[] = [emptyState];
  let state = emptyState;
  for (const step of steps) {
    const batch = fitBatch(state, step);
    state = applyBatch(state, batch);
    batches.push(batch);
    states.push(state);
  }
  return { batches, states };
}

function fitBatch(state: LogState, step: Step): LogBatch {
  const kept = state.entries.length - Math.min(step.removed ?? 0, state.entries.length);
  const term = state.hardState.term + (step.isTermRaised ? 1 : 0);
  const votedFor = (step.isTermRaised ? null : state.hardState.votedFor) ?? step.vote;
  const hasHardState = term !== state.hardState.term || votedFor !== state.hardState.votedFor;
  return {
    truncateFrom: step.removed === null ? null : kept + 1,
    entries: step.entryBytes.map((bytes, offset) => createEntry(kept + 1 + offset, term, bytes)),
    hardState: hasHardState ? { term, votedFor } : null,
  };
}

/** Content follows from the arguments; every third entry is zeros, which must not be taken for an empty disk. */
export function createEntry(index: number, term: number, bytes: number): Entry {
  const isZeros = index % 3 === 0;
  const payload = Buffer.alloc(bytes, isZeros ? 0 : (index * 31 + term * 7 + bytes) % 256);
  return { index, term, kind: index % 5 === 0 ? EntryKind.Noop : EntryKind.Command, payload };
}

function applyBatch(state: LogState, batch: LogBatch): LogState {
  const kept = batch.truncateFrom === null ? state.entries : state.entries.slice(0, batch.truncateFrom - 1);
  return { entries: [...kept, ...batch.entries], hardState: batch.hardState ?? state.hardState };
}

/** Equal texts, equal states. */
export function describeState(state: LogState): string {
  const entries = state.entries.map(
    ({ index, term, kind, payload }) => `${index}/${term}/${kind}/${payload.length}/${crc32(payload)}`,
  );
  return `${state.hardState.term} ${state.hardState.votedFor} ${entries.join(' ')}`;
}

export function steps(options: { entryBytesMax: number; batchesMax: number }): fc.Arbitrary<Step[]> {
  const step = fc.record({
    entryBytes: fc.array(fc.integer({ min: 0, max: options.entryBytesMax }), { maxLength: 4 }),
    removed: fc.oneof(
      { weight: 4, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: fc.nat({ max: 5 }) },
    ),
    isTermRaised: fc.boolean(),
    vote: fc.constantFrom(null, 'slimfaas-0', 'slimfaas-1'),
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
