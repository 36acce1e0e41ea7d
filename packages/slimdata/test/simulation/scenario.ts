import type { Prng } from './prng.ts';

/** How messages travel. Times are in units of virtual time, rates are probabilities per message. */
export interface NetworkScenario {
  readonly latencyMin: number;
  readonly latencyMax: number;
  /** True: messages of one link never overtake each other (as on one TCP connection). */
  readonly inOrder: boolean;
  readonly lossRate: number;
  readonly duplicateRate: number;
  readonly spikeRate: number;
  readonly spikeMax: number;
  /** Chance that the sender is told when a message was dropped. */
  readonly unreachableRate: number;
}

/** How long an fsync takes. */
export interface DiskScenario {
  readonly syncMin: number;
  readonly syncMax: number;
  readonly stallRate: number;
  readonly stallMax: number;
}

/** What goes wrong. Rates are probabilities per tick of the whole cluster; times are in ticks. */
interface FaultScenario {
  readonly crashRate: number;
  /** Chance per batch of effects that the member dies between two of them. */
  readonly crashInsideRate: number;
  readonly downTicksMax: number;
  readonly partitionRate: number;
  readonly partitionTicksMax: number;
  readonly clogRate: number;
  readonly clogTicksMax: number;
  readonly pauseRate: number;
  readonly pauseTicksMax: number;
  /** Chance that a fault is aimed at the current leader rather than at anyone. */
  readonly leaderAimRate: number;
  /** Clocks run between 1 - drift and 1 + drift of true speed. */
  readonly clockDrift: number;
}

/** What clients do. Rates are probabilities per tick. */
interface WorkloadScenario {
  readonly proposeRate: number;
  readonly batchMax: number;
  readonly readRate: number;
  readonly transferRate: number;
}

/** Bounds of the core, as in its options; small ones reach their edges. */
interface BoundScenario {
  readonly maxEntriesBytes: number;
  readonly maxInflight: number;
  readonly maxInflightBytes: number;
  readonly maxUncommittedBytes: number;
  readonly maxPendingReads: number;
}

/** Everything that distinguishes one run from another, drawn from its seed. */
export interface Scenario {
  readonly members: number;
  readonly tickUnits: number;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Length of the phase with faults. */
  readonly safetyTicks: number;
  /** Longest time that an input waits in a member's inbox; 0 = each input is its own turn. */
  readonly inboxDelayMax: number;
  /** Inputs that may wait in an inbox; messages beyond are dropped. */
  readonly inboxMax: number;
  /** True: a member hands its effects out in the order persist, send, apply; false: in any order. */
  readonly persistsFirst: boolean;
  readonly bounds: BoundScenario;
  readonly network: NetworkScenario;
  readonly disk: DiskScenario;
  readonly faults: FaultScenario;
  readonly workload: WorkloadScenario;
}

/** Mostly three and five members, sometimes any of one to seven. */
const clusterSizes = [1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5, 5, 6, 7] as const;

/** A rate that is off in some runs and within bounds in the others ("swarm" testing: absence matters too). */
function drawRate(random: Prng, presence: number, low: number, high: number): number {
  const present = random.chance(presence);
  const rate = low + (high - low) * random.fraction();
  return present ? rate : 0;
}

function drawNetwork(random: Prng, tickUnits: number): NetworkScenario {
  const latencyMin = random.integer(1, Math.ceil(tickUnits / 10));
  return {
    latencyMin,
    latencyMax: latencyMin + random.integer(0, random.pick([tickUnits >> 3, tickUnits, 3 * tickUnits])),
    inOrder: random.chance(0.4),
    lossRate: drawRate(random, 0.6, 0.005, random.pick([0.05, 0.1, 0.3])),
    duplicateRate: drawRate(random, 0.5, 0.01, random.pick([0.05, 0.3])),
    spikeRate: drawRate(random, 0.5, 0.002, 0.05),
    spikeMax: tickUnits * random.integer(2, random.pick([10, 60, 300])),
    unreachableRate: drawRate(random, 0.6, 0.1, 1),
  };
}

function drawDisk(random: Prng, tickUnits: number): DiskScenario {
  const syncMin = random.integer(0, Math.ceil(tickUnits / 10));
  return {
    syncMin,
    syncMax: syncMin + random.integer(0, random.pick([2, tickUnits >> 1, 2 * tickUnits, 6 * tickUnits])),
    stallRate: drawRate(random, 0.4, 0.002, 0.05),
    stallMax: tickUnits * random.integer(2, 40),
  };
}

function drawFaults(random: Prng, electionTicks: number): FaultScenario {
  const stable = random.pick([1, 1, 2, 4]);
  return {
    crashRate: drawRate(random, 0.75, 0.002, 0.06 / stable),
    crashInsideRate: drawRate(random, 0.5, 0.0002, 0.004),
    downTicksMax: electionTicks * random.integer(1, 5),
    partitionRate: drawRate(random, 0.65, 0.003, 0.05 / stable),
    partitionTicksMax: electionTicks * random.integer(1, 8),
    clogRate: drawRate(random, 0.4, 0.005, 0.05),
    clogTicksMax: electionTicks * random.integer(1, 6),
    pauseRate: drawRate(random, 0.5, 0.002, 0.03),
    pauseTicksMax: electionTicks * random.integer(1, 6),
    leaderAimRate: random.pick([0, 0.3, 0.7]),
    clockDrift: random.pick([0, 0, 0.02, 0.1, 0.3]),
  };
}

function drawWorkload(random: Prng): WorkloadScenario {
  return {
    proposeRate: random.pick([0.1, 0.3, 0.6]),
    batchMax: random.pick([1, 2, 8]),
    readRate: drawRate(random, 0.8, 0.05, 0.4),
    transferRate: drawRate(random, 0.5, 0.002, 0.03),
  };
}

/**
 * Wide windows only where order is kept, as the real transport does: out of order, every gap sends the whole
 * window again, which is safe but multiplies the traffic.
 */
function drawBounds(random: Prng, inOrder: boolean): BoundScenario {
  return {
    maxEntriesBytes: random.pick([1, 100, 400, 1 << 20]),
    maxInflight: random.pick(inOrder ? [1, 2, 8, 256] : [1, 2, 4, 8]),
    maxInflightBytes: random.pick([100, 1000, 1 << 23]),
    maxUncommittedBytes: random.pick([200, 2000, 1 << 26, 1 << 26]),
    maxPendingReads: random.pick([1, 4, 4096, 4096]),
  };
}

/** Draws a scenario. The same stream gives the same scenario. */
export function createScenario(random: Prng): Scenario {
  const tickUnits = random.pick([50, 100, 200]);
  const electionTicks = random.pick([5, 8, 10, 10, 20]);
  const network = drawNetwork(random, tickUnits);
  return {
    members: random.pick(clusterSizes),
    tickUnits,
    electionTicks,
    heartbeatTicks: electionTicks >= 8 ? random.integer(1, 2) : 1,
    safetyTicks: electionTicks * random.integer(10, 100),
    inboxDelayMax: random.pick([0, 0, tickUnits >> 4, tickUnits >> 1, tickUnits]),
    inboxMax: random.pick([10, 30, 200]),
    persistsFirst: random.chance(0.5),
    bounds: drawBounds(random, network.inOrder),
    network,
    disk: drawDisk(random, tickUnits),
    faults: drawFaults(random, electionTicks),
    workload: drawWorkload(random),
  };
}

/** The same cluster on a good day: what the liveness phase runs on. Nothing is lost, all delays are short. */
export function calmScenario(scenario: Scenario): Scenario {
  const short = Math.ceil(scenario.tickUnits / 20);
  return {
    ...scenario,
    inboxDelayMax: Math.min(scenario.inboxDelayMax, short),
    network: {
      ...scenario.network,
      latencyMin: 1,
      latencyMax: short,
      lossRate: 0,
      duplicateRate: 0,
      spikeRate: 0,
    },
    disk: { syncMin: 0, syncMax: short, stallRate: 0, stallMax: 0 },
    faults: {
      ...scenario.faults,
      crashRate: 0,
      crashInsideRate: 0,
      partitionRate: 0,
      clogRate: 0,
      pauseRate: 0,
    },
    workload: { ...scenario.workload, proposeRate: 0, readRate: 0, transferRate: 0 },
  };
}
