import type { RaftCore } from '../../src/raft/raft-core.ts';
import type { Effects, Entry, HardState, MemberName, RaftMessage } from '../../src/raft/types.ts';
import type { ElectionChecker } from './election-checker.ts';
import type { EventQueue } from './event-queue.ts';
import type { LogChecker } from './log-checker.ts';
import type { Marks } from './marks.ts';
import type { Network } from './network.ts';
import type { Prng } from './prng.ts';
import type { Scenario } from './scenario.ts';
import type { SendChecker } from './send-checker.ts';
import type { SimulatedMember } from './simulated-member.ts';
import type { Trace } from './trace.ts';

/** What the simulation uses of a core; a mutation may put something else in its place. */
export type CoreUnderTest = Pick<
  RaftCore,
  | 'tick'
  | 'receive'
  | 'propose'
  | 'readIndex'
  | 'persisted'
  | 'unreachable'
  | 'transferLeadership'
  | 'takeEffects'
  | 'term'
  | 'role'
  | 'leader'
  | 'commitIndex'
  | 'lastIndex'
  | 'durableIndex'
  | 'termAt'
  | 'entryAt'
>;

/** What a crash left to start from. */
export interface Recovered {
  readonly hardState: HardState;
  readonly entries: readonly Entry[];
}

/**
 * A deliberate mistake, placed at the seam between the core and its surroundings. Tells whether the checkers
 * would notice a core, a log store or a transport that has it. Made anew for each run.
 */
export interface Mutation {
  /** Stands in front of the core. */
  readonly core?: (core: CoreUnderTest, member: SimulatedMember) => CoreUnderTest;
  /** Changes what the core wants done. */
  readonly effects?: (effects: Effects, member: SimulatedMember) => Effects;
  /** Changes what a member receives; null = it is never told. */
  readonly received?: (message: RaftMessage, to: SimulatedMember, from: MemberName) => RaftMessage | null;
  /** Changes what a member finds on its disk after a crash. */
  readonly recovered?: (found: Recovered, member: SimulatedMember) => Recovered;
  /** True: the core is told that a batch is durable when it is only handed over. */
  readonly confirmsEarly?: boolean;
}

/** What all parts of one simulation share. */
export interface World {
  readonly queue: EventQueue;
  /** Luck of everything outside the cores. */
  readonly random: Prng;
  readonly trace: Trace;
  readonly marks: Marks;
  readonly network: Network;
  readonly members: readonly SimulatedMember[];
  readonly elections: ElectionChecker;
  readonly logs: LogChecker;
  readonly sends: SendChecker;
  readonly mutation: Mutation;
  /** Replaced when the faults end. */
  scenario: Scenario;
  /** Number of the event that runs now. */
  events: number;
  /** Next number for a proposal or a read; never used twice. */
  nextId: number;
}

/** Writes a trace line when the run is recorded; `text` is only called then. */
export function note(world: World, text: () => string): void {
  if (world.trace.recording) {
    world.trace.line(world.queue.now, world.events, text());
  }
}
