import type { Prng } from './prng.ts';
import { createScenario, type Scenario } from './scenario.ts';

/*
 * Scenarios drawn as always, then bent towards where a certain mistake can matter.
 */

/** What a seed runs: mostly as drawn, sometimes bent towards paths that are rare otherwise. */
export function drawScenario(random: Prng): Scenario {
  const drawn = createScenario(random);
  const bends = random.chance(0.2) ? [figureEight, manyLeaderCrashes, crowdedElections, lateMessages] : [];
  return bends.length === 0 ? drawn : random.pick(bends)(drawn);
}

export function threeMembers(drawn: Scenario): Scenario {
  return { ...drawn, members: 3 };
}

/** Leaders that die often and come back soon, and short logs. */
export function manyLeaderCrashes(drawn: Scenario): Scenario {
  const { electionTicks, faults } = drawn;
  return {
    ...drawn,
    members: 5,
    safetyTicks: electionTicks * 100,
    faults: {
      ...faults,
      crashRate: 0.05,
      leaderAimRate: 0.7,
      downTicksMax: 3 * electionTicks,
      partitionRate: 0.05,
      partitionTicksMax: 2 * electionTicks,
    },
  };
}

/**
 * Paper figure 8: entries travel one by one, and leaders die before the first entry of their own term has
 * followed the ones they inherited.
 */
export function figureEight(drawn: Scenario): Scenario {
  const { bounds, disk, electionTicks, faults, network, tickUnits, workload } = drawn;
  return {
    ...drawn,
    members: 5,
    safetyTicks: electionTicks * 100,
    inboxDelayMax: 0,
    bounds: { ...bounds, maxEntriesBytes: 1, maxInflight: 1 },
    network: { ...network, lossRate: 0.02, latencyMin: 1, latencyMax: tickUnits, spikeRate: 0 },
    disk: { ...disk, syncMin: 1, syncMax: Math.ceil(tickUnits / 5), stallRate: 0 },
    workload: { ...workload, proposeRate: 0.6, batchMax: 4 },
    faults: {
      ...faults,
      crashRate: 0.2,
      crashInsideRate: 0,
      leaderAimRate: 0.8,
      downTicksMax: 2 * electionTicks,
      partitionRate: 0,
      clogRate: 0,
      pauseRate: 0,
      clockDrift: 0,
    },
  };
}

/** Slow disks and networks, so that several members campaign at once and die with their votes unsynced. */
export function crowdedElections(drawn: Scenario): Scenario {
  const { disk, faults, network, tickUnits } = drawn;
  return {
    ...drawn,
    members: drawn.members > 3 ? 5 : 3,
    electionTicks: 5,
    heartbeatTicks: 1,
    safetyTicks: 500,
    network: { ...network, latencyMin: 1, latencyMax: 2 * tickUnits, spikeRate: 0 },
    disk: { ...disk, syncMin: tickUnits, syncMax: 4 * tickUnits },
    faults: {
      ...faults,
      crashRate: 0.15,
      crashInsideRate: 0.01,
      downTicksMax: 2,
      leaderAimRate: 0.3,
      partitionRate: 0,
      pauseRate: 0,
      clockDrift: 0,
    },
  };
}

/**
 * Leaders that are cut off, lead again and are cut off again, while what they sent before is still under way.
 */
function lateMessages(drawn: Scenario): Scenario {
  const { bounds, electionTicks, faults, network, tickUnits, workload } = drawn;
  return {
    ...drawn,
    members: 3,
    safetyTicks: electionTicks * 100,
    bounds: { ...bounds, maxInflight: Math.min(bounds.maxInflight, 8) },
    network: { ...network, inOrder: false, spikeRate: 0.15, spikeMax: 6 * electionTicks * tickUnits },
    workload: { ...workload, proposeRate: 0.6, readRate: 0.6 },
    faults: {
      ...faults,
      crashRate: 0,
      crashInsideRate: 0,
      leaderAimRate: 0.7,
      partitionRate: 0.5 / electionTicks,
      partitionTicksMax: 3 * electionTicks,
      pauseRate: 0,
      clogRate: 0,
    },
  };
}
