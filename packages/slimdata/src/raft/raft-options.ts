import assert from 'node:assert/strict';
import type { Entry, HardState, MemberName } from './types.ts';

/** What a core is constructed from. Bounds that are left out get the default named with each. */
export interface RaftOptions {
  /** Name of this member. */
  readonly member: MemberName;
  /** Voters of the initial configuration, this member included if it is one. */
  readonly voters: readonly MemberName[];
  /** As recovered; `{ term: 0, votedFor: null }` on a fresh disk. */
  readonly hardState: HardState;
  /** As recovered: durable, contiguous from index 1. */
  readonly entries: readonly Entry[];
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

/** Fills in defaults and checks related values against each other. A wrong value is a programmer error. */
export function completeOptions(options: RaftOptions): Required<RaftOptions> {
  const complete = {
    maxEntriesBytes: MIB,
    maxInflight: 256,
    maxInflightBytes: 8 * MIB,
    maxUncommittedBytes: 64 * MIB,
    maxPendingReads: 4096,
    ...options,
  };
  assert(complete.member !== '', 'the member has a name');
  assert(complete.voters.length > 0, 'the configuration has a voter');
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
  const lastTerm = complete.entries.at(-1)?.term ?? 0;
  assert(complete.hardState.term >= lastTerm, `term ${complete.hardState.term} below an entry's ${lastTerm}`);
  return complete;
}

function assertCount(name: string, value: number): void {
  assert(Number.isSafeInteger(value) && value > 0, `${name} must be a positive integer, not ${value}`);
}
