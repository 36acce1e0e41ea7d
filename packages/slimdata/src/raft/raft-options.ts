import assert from 'node:assert/strict';
import { createConfiguration } from './configuration.ts';
import type { Entry, HardState, LogPosition, MemberName, SnapshotPosition } from './types.ts';

/** What a core is constructed from. Bounds that are left out get the default named with each. */
export interface RaftOptions {
  /** Name of this member. */
  readonly member: MemberName;
  /**
   * Voters of the configuration before the first entry, this member included if it is one. The same on every
   * member that starts with it, and at every start. Empty for a member that joins: it learns from its leader
   * whom it belongs to. Not looked at when there is a `checkpoint`.
   */
  readonly voters: readonly MemberName[];
  /** As recovered; `{ term: 0, votedFor: null }` on a fresh disk. */
  readonly hardState: HardState;
  /** As recovered: durable, contiguous, the first one following `base`. */
  readonly entries: readonly Entry[];
  /** Last position that was compacted away from the log. Default: nothing was. */
  readonly base?: LogPosition;
  /**
   * Applied state as recovered, durable: `committed` goes on after it. Not before `base`. If the log does not hold
   * its position, the process ended between a snapshot and the reset of the log that follows it; the reset is
   * then the first write. Default: none.
   */
  readonly checkpoint?: SnapshotPosition;
  /** Minimum election timeout T in ticks; the actual one is drawn from [T, 2T). */
  readonly electionTicks: number;
  /** Ticks between heartbeats; less than `electionTicks`. */
  readonly heartbeatTicks: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Entries of one AppendEntries in bytes; one larger entry still travels alone. Default 1 MiB. */
  readonly maxEntriesBytes?: number;
  /** Unanswered AppendEntries with entries per peer. Default 256. */
  readonly maxInflight?: number;
  /** Bytes of those. Default 8 MiB. */
  readonly maxInflightBytes?: number;
  /** Bytes that a leader takes on before they are committed. Default 64 MiB. */
  readonly maxUncommittedBytes?: number;
  /** Reads waiting for confirmation on one member. Default 4096. */
  readonly maxPendingReads?: number;
}

const MIB = 1024 * 1024;

const BEGINNING: LogPosition = { index: 0, term: 0 };

/** Fills in defaults and checks related values against each other. A wrong value is a programmer error. */
export function completeOptions(options: RaftOptions): Required<RaftOptions> {
  const complete = {
    maxEntriesBytes: MIB,
    maxInflight: 256,
    maxInflightBytes: 8 * MIB,
    maxUncommittedBytes: 64 * MIB,
    maxPendingReads: 4096,
    base: BEGINNING,
    checkpoint: { ...BEGINNING, configuration: createConfiguration(options.voters) },
    ...options,
  };
  assert(complete.member !== '', 'the member has a name');
  assert.equal(new Set(complete.voters).size, complete.voters.length, 'a voter is named once');
  assertCount('heartbeatTicks', complete.heartbeatTicks);
  assertCount('electionTicks', complete.electionTicks);
  assert(
    complete.heartbeatTicks < complete.electionTicks,
    `heartbeatTicks ${complete.heartbeatTicks} must be below electionTicks ${complete.electionTicks}`,
  );
  assertCount('maxEntriesBytes', complete.maxEntriesBytes);
  assertCount('maxInflight', complete.maxInflight);
  assertCount('maxInflightBytes', complete.maxInflightBytes);
  assertCount('maxUncommittedBytes', complete.maxUncommittedBytes);
  assertCount('maxPendingReads', complete.maxPendingReads);
  assertRecovered(complete);
  return complete;
}

function assertRecovered({ entries, base, checkpoint, hardState }: Required<RaftOptions>): void {
  assert(
    checkpoint.index >= base.index,
    `the log begins after ${base.index}, but the checkpoint ends at ${checkpoint.index}: entries are missing`,
  );
  const lastTerm = entries.at(-1)?.term ?? base.term;
  assert(hardState.term >= lastTerm, `term ${hardState.term} below an entry's ${lastTerm}`);
}

function assertCount(name: string, value: number): void {
  assert(Number.isSafeInteger(value) && value > 0, `${name} must be a positive integer, not ${value}`);
}
