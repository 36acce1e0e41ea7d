import { expect } from 'chai';
import { describe, it } from 'mocha';
import { waitFor } from './cluster.ts';
import { checkHistory } from './linearizability/checker.ts';
import { registerModel } from './linearizability/register-model.ts';
import { chooseSeed, SeededRandom } from './seeded-random.ts';
import { StoreClients, storeRefusals } from './store-clients.ts';
import { StoreCluster } from './store-cluster.ts';
import { recover, storeFaults } from './store-faults.ts';

const timers = { heartbeatMs: 30, electionTimeoutMs: 300 };
const clientCount = 6;

/** Runs `during` while clients work, then checks all that they saw. */
async function expectLinearizable(
  cluster: StoreCluster,
  clients: StoreClients,
  during: () => Promise<void>,
): Promise<void> {
  const over = new AbortController();
  const working = clients.run(clientCount, over.signal);
  try {
    await during();
  } finally {
    over.abort();
    await working;
  }
  await recover(cluster);
  await cluster.waitUntilServing();
  await clients.readAll();
  const begin = performance.now();
  const { verdict, steps, operations, keys, explanation } = checkHistory(
    registerModel,
    clients.history.operations,
  );
  const checkMs = Math.round(performance.now() - begin);
  const { unknown } = clients.history;
  process.stdout.write(
    `      ${operations} calls, ${unknown} of unknown outcome, ${keys} registers: ${verdict} (${steps} steps, ${checkMs} ms)\n`,
  );
  expect(verdict, explanation).to.equal('linearizable');
  expect(clients.violations).to.deep.equal([]);
  expect(await cluster.unexpectedEnds()).to.deep.equal([]);
}

/** Until clients were acknowledged so many more writes. */
async function waitForProgress(clients: StoreClients, writes = 30): Promise<void> {
  const enough = clients.applied + writes;
  await waitFor('clients to get on', 20_000, async () => clients.applied >= enough);
}

describe('the store in real processes', () => {
  it('stays linearizable through kills, pauses, cut and slow links and restarts', async function () {
    this.timeout(240_000);
    const random = new SeededRandom(chooseSeed('faults'));
    await using cluster = await StoreCluster.start(timers);
    const clients = new StoreClients(cluster, random);
    await expectLinearizable(cluster, clients, async () => {
      await waitForProgress(clients);
      for (const { name, strike } of random.shuffled(storeFaults)) {
        const begin = performance.now();
        await strike(cluster, random, (writes) => waitForProgress(clients, writes));
        const struck = performance.now();
        await recover(cluster);
        await waitForProgress(clients).catch((cause: unknown) => {
          throw new Error(`no progress after this fault: ${name}`, { cause });
        });
        const recovered = performance.now();
        process.stdout.write(
          `      ${name}: ${Math.round(struck - begin)} ms, again after ${Math.round(recovered - struck)} ms\n`,
        );
      }
    });
    const checkpoints = await cluster.eventCount('checkpoint_written');
    const snapshots = await cluster.eventCount('snapshot_restored');
    process.stdout.write(`      ${checkpoints} checkpoints, ${snapshots} snapshots\n`);
    expect(checkpoints, 'checkpoints on the way').to.be.greaterThan(10);
    expect(snapshots, 'snapshots on the way').to.be.greaterThan(2);
  });

  it('a leader that was paused until another leads serves nothing stale when it wakes', async function () {
    this.timeout(60_000);
    await using cluster = await StoreCluster.start(timers);
    for (let round = 0; round < 4; round += 1) {
      const paused = await cluster.leader();
      const write = (value: string) => ({ call: 'write', key: 'register', value, ifVersion: null }) as const;
      expect(await paused.call(write(`old ${round}`), 5000)).to.include({ applied: true });
      await paused.kill('SIGSTOP');
      const next = await cluster.leader();
      const value = `new ${round}`;
      expect(await next.call(write(value), 5000)).to.include({ applied: true });
      // These wait in the paused process's mailbox and are the first that it meets when it wakes.
      const reads = Array.from({ length: 200 }, () => paused.call({ call: 'read', key: 'register' }, 5000));
      await paused.kill('SIGCONT');
      const later = await waitFor('the woken member to serve reads', 10_000, async () => {
        const reply = await paused.call({ call: 'read', key: 'register' }, 200);
        return 'value' in reply ? reply : null;
      });
      expect(later).to.include({ value });
      const stale = (await Promise.all(reads)).filter((reply) =>
        'error' in reply
          ? !storeRefusals.includes(reply.error)
          : !('value' in reply && reply.value === value),
      );
      expect(stale).to.deep.equal([]);
    }
  });
});
