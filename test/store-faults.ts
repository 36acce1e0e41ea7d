import { setTimeout as delay } from 'node:timers/promises';
import type { SeededRandom } from './seeded-random.ts';
import type { StoreCluster, StoreProcess } from './store-cluster.ts';

/**
 * What happens to the cluster: `strike` begins it and holds it for its time. What then ends it is the same for all:
 * links work again, paused processes go on, dead ones are started.
 */
export interface StoreFault {
  readonly name: string;
  strike(cluster: StoreCluster, random: SeededRandom, progress: Progress): Promise<void>;
}

/** Resolves when clients were acknowledged so many more writes. */
type Progress = (writes: number) => Promise<void>;

/** Ends every fault. */
export async function recover(cluster: StoreCluster): Promise<void> {
  cluster.links.heal();
  for (const member of cluster.members) {
    if (member.isPaused) {
      await member.kill('SIGCONT');
    } else if (!member.isAlive) {
      await member.start();
    }
  }
}

function fault(
  name: string,
  strike: (
    cluster: StoreCluster,
    leader: StoreProcess,
    random: SeededRandom,
    progress: Progress,
  ) => Promise<void>,
): StoreFault {
  return {
    name,
    strike: async (cluster, random, progress) => strike(cluster, await cluster.leader(), random, progress),
  };
}

/** Longer than any election timeout of the cluster, which is drawn from [t, 2t). */
function longMs({ timers }: StoreCluster, random: SeededRandom): number {
  return timers.electionTimeoutMs * random.between(2.5, 4);
}

/** Shorter than any election timeout. */
function shortMs({ timers }: StoreCluster, random: SeededRandom): number {
  return timers.electionTimeoutMs * random.between(0.3, 0.9);
}

/** More writes than the log keeps: a member that missed them needs a snapshot. */
const writesBeyondLog = 80;

async function killAll(members: readonly StoreProcess[]): Promise<void> {
  await Promise.all(members.map((member) => member.kill('SIGKILL')));
}

/** Stops the member in an orderly way, and starts it when it is gone. */
async function restart(member: StoreProcess): Promise<void> {
  await member.kill('SIGTERM');
  await member.start();
}

export const storeFaults: readonly StoreFault[] = [
  fault('the leader is killed', async (cluster, leader, random) => {
    await leader.kill('SIGKILL');
    await delay(random.between(0, longMs(cluster, random)));
  }),
  fault('a follower is killed', async (cluster, leader, random) => {
    await random.pick(cluster.othersOf(leader)).kill('SIGKILL');
    await delay(shortMs(cluster, random));
  }),
  fault('the leader and a follower are killed', async (cluster, leader, random) => {
    await killAll([leader, random.pick(cluster.othersOf(leader))]);
    await delay(longMs(cluster, random));
  }),
  fault('all are killed at once', async (cluster) => {
    await killAll(cluster.members);
  }),
  fault('the leader is paused for less than an election timeout', async (cluster, leader, random) => {
    await leader.kill('SIGSTOP');
    await delay(shortMs(cluster, random));
  }),
  fault('the leader is paused for longer than an election takes', async (cluster, leader, random) => {
    await leader.kill('SIGSTOP');
    await delay(longMs(cluster, random));
  }),
  fault('the followers are paused', async (cluster, leader, random) => {
    await Promise.all(cluster.othersOf(leader).map((member) => member.kill('SIGSTOP')));
    await delay(longMs(cluster, random));
  }),
  fault('the leader is partitioned', async (cluster, leader, random) => {
    cluster.links.hold(leader.name);
    await delay(longMs(cluster, random));
  }),
  fault("the leader's connections break and are refused", async (cluster, leader, random) => {
    cluster.links.cut(leader.name);
    await delay(longMs(cluster, random));
  }),
  fault('nobody hears the leader', async (cluster, leader, random) => {
    cluster.links.mute(leader.name);
    await delay(longMs(cluster, random));
  }),
  fault('the leader hears nobody', async (cluster, leader, random) => {
    cluster.links.deafen(leader.name);
    await delay(longMs(cluster, random));
  }),
  fault('a follower hears nobody', async (cluster, leader, random) => {
    cluster.links.deafen(random.pick(cluster.othersOf(leader)).name);
    await delay(longMs(cluster, random));
  }),
  fault('the leader and one follower lose each other', async (cluster, leader, random) => {
    const follower = random.pick(cluster.othersOf(leader));
    cluster.links.hold(leader.name, follower.name);
    await delay(longMs(cluster, random));
  }),
  fault('everyone is cut off from everyone', async (cluster, _leader, random) => {
    for (const link of cluster.links.all) {
      link.cut();
    }
    await delay(longMs(cluster, random));
  }),
  fault('all links are slow', async (cluster, _leader, random) => {
    for (const link of cluster.links.all) {
      link.slow(random.between(10, 60));
    }
    await delay(longMs(cluster, random));
  }),
  fault('what the leader says takes longer than an election', async (cluster, leader, random) => {
    for (const { name } of cluster.othersOf(leader)) {
      cluster.links.link(leader.name, name).slow(2 * cluster.timers.electionTimeoutMs);
    }
    await delay(longMs(cluster, random));
  }),
  fault('links come and go', async (cluster, _leader, random) => {
    for (let n = 0; n < 10; n += 1) {
      const link = random.pick(cluster.links.all);
      random.pick([() => link.cut(), () => link.hold('there'), () => link.hold()])();
      await delay(shortMs(cluster, random) / 2);
      if (n % 3 === 2) {
        cluster.links.heal();
      }
    }
  }),
  fault('the leader is killed while a follower is cut off', async (cluster, leader, random) => {
    const follower = random.pick(cluster.othersOf(leader));
    cluster.links.hold(follower.name);
    await delay(shortMs(cluster, random));
    await leader.kill('SIGKILL');
    await leader.start();
    await delay(longMs(cluster, random));
  }),
  fault('a follower is cut off until it needs a snapshot', async (cluster, leader, random, progress) => {
    cluster.links.hold(random.pick(cluster.othersOf(leader)).name);
    await progress(writesBeyondLog);
  }),
  fault('a follower is killed again while it gets a snapshot', async (cluster, leader, random, progress) => {
    const follower = random.pick(cluster.othersOf(leader));
    for (let lives = 0; lives < 3; lives += 1) {
      await follower.kill('SIGKILL');
      await progress(writesBeyondLog);
      await follower.start();
      await delay(random.between(100, 500));
    }
    await follower.kill('SIGKILL');
  }),
  fault(
    'the leader is killed while a follower gets a snapshot',
    async (cluster, leader, random, progress) => {
      const follower = random.pick(cluster.othersOf(leader));
      cluster.links.cut(follower.name);
      await progress(writesBeyondLog);
      cluster.links.heal();
      await delay(random.between(0, 300));
      await leader.kill('SIGKILL');
    },
  ),
  fault('the leader stops in order and comes back', async (_cluster, leader) => {
    await restart(leader);
  }),
  fault('all restart one after the other', async (cluster) => {
    for (const member of cluster.members) {
      await restart(member);
      await cluster.waitUntilServing();
    }
  }),
];
