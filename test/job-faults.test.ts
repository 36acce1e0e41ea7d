import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { Cluster, type MemberProcess, waitFor } from './cluster.ts';
import { JobLoad, loadConfiguration, type PostAnswer } from './job-load.ts';

/** Of the members, unless configured otherwise: the election timeout is drawn from [t, 2t). */
const electionTimeoutMs = 1000;
/** Deadlines of the REST API. */
const writeMs = 10_000;
const readMs = 5000;
/** What a busy machine may add to a deadline. */
const graceMs = 2000;

/** Runs `during` while the load's jobs are looked at through every member, then checks everything. */
async function underWatch(load: JobLoad, during: () => Promise<void>): Promise<void> {
  const over = new AbortController();
  const watching = load.watch(over.signal);
  try {
    await during();
    await load.expectAllRight();
  } finally {
    over.abort();
    await watching;
  }
}

/** Posts one job after the other, each until it is accepted, through the members in turn. */
async function postSteadily(load: JobLoad, first: number, signal: AbortSignal): Promise<void> {
  for (let turn = first; !signal.aborted; turn += 1) {
    await load.postUntilAccepted(turn);
    await delay(400);
  }
}

function othersOf(cluster: Cluster, member: MemberProcess): readonly [MemberProcess, MemberProcess] {
  const [one, other] = cluster.members.filter((candidate) => candidate !== member);
  return [one as MemberProcess, other as MemberProcess];
}

async function note(what: string, promise: Promise<unknown>): Promise<void> {
  const begin = performance.now();
  await promise;
  process.stdout.write(`      ${what}: ${Math.round(performance.now() - begin)} ms\n`);
}

/** Until another member than `old` leads. */
async function newLeader(cluster: Cluster, old: MemberProcess): Promise<void> {
  const others = othersOf(cluster, old);
  await waitFor('another leader', 15_000, async () => {
    const leads = await Promise.all(others.map((member) => member.metric('slimdata_leader')));
    return leads.includes(1);
  });
}

interface Refusal extends PostAnswer {
  readonly token: string;
}

/**
 * A member that lost its majority just now: what it takes before it notices has no known outcome, what comes after is
 * refused, both in time. Returns the refused tokens.
 */
async function expectRefusals(load: JobLoad, member: MemberProcess): Promise<string[]> {
  const post = async (): Promise<Refusal> => {
    const token = load.newToken();
    return { token, ...(await load.post(member, token)) };
  };
  const get = async (): Promise<PostAnswer> => {
    const begin = performance.now();
    const response = await member.fetch('/job/append');
    const { code } = (await response.json()) as { code: string };
    return { status: response.status, code, ms: performance.now() - begin };
  };
  const early = Promise.all([post(), get()]);
  const noticed = waitFor('the member to know no leader', 2 * electionTimeoutMs + graceMs, async () => {
    return (await member.metric('slimdata_leader_known')) === 0;
  });
  await note('no leader is known', noticed);
  const late = Promise.all([post(), get()]);
  const ready = await member.fetch('/ready');
  expect([ready.status, await ready.text()]).to.deep.equal([503, 'NOT_READY']);
  const answers = { early: await early, late: await late };
  for (const [when, [posted, got]] of Object.entries(answers)) {
    const told = [posted, got].map(({ status, code, ms }) => `${status} ${code} after ${Math.round(ms)} ms`);
    process.stdout.write(`      ${when}: POST ${told[0]}, GET ${told[1]}\n`);
    expect(posted.ms).to.be.below(writeMs + graceMs);
    expect(got.ms).to.be.below(readMs + graceMs);
    expect(posted).to.include({ status: 503 });
    expect(got).to.include({ status: 503, code: 'unavailable' });
  }
  expect(answers.early[0].code).to.be.oneOf(['unavailable', 'outcome_unknown']);
  expect(answers.late[0].code).to.equal('unavailable');
  return [answers.early[0].token, answers.late[0].token];
}

describe('jobs under faults', () => {
  it('a leader that is paused for 5 s with jobs running and waiting', async function () {
    this.timeout(120_000);
    await using cluster = await Cluster.start({ configuration: loadConfiguration(), hasLinks: true });
    const load = new JobLoad(cluster, { secondsEach: 0.5 });
    await underWatch(load, async () => {
      await load.postAll(30);
      await load.waitUntilBusy();
      const leader = await cluster.leader();
      await leader.kill('SIGSTOP');
      const over = new AbortController();
      // Also through the paused member: what waits in its sockets is the first that it meets when it wakes.
      const posting = [0, 1, 2].map((first) => postSteadily(load, first, over.signal));
      const woken = delay(5000).then(() => leader.kill('SIGCONT'));
      await note('another leader', newLeader(cluster, leader));
      await woken;
      over.abort();
      await Promise.all(posting);
      await note('the woken member is ready again', cluster.waitUntilReady());
      await load.postAll(3);
    });
  });

  it('a leader that loses its links: silently, in one direction, and broken', async function () {
    this.timeout(120_000);
    await using cluster = await Cluster.start({ configuration: loadConfiguration(), hasLinks: true });
    const load = new JobLoad(cluster, { secondsEach: 0.3 });
    await underWatch(load, async () => {
      await load.postAll(16);
      const faults: readonly ((name: string) => void)[] = [
        (name) => cluster.links.hold(name),
        (name) => cluster.links.mute(name),
        (name) => cluster.links.deafen(name),
        (name) => cluster.links.cut(name),
      ];
      for (const strike of faults) {
        await load.postAll(6);
        const leader = await cluster.leader();
        strike(leader.name);
        await note('another leader', newLeader(cluster, leader));
        const [one] = othersOf(cluster, leader);
        const [, refused] = await Promise.all([
          load.postUntilAccepted(cluster.members.indexOf(one)),
          leader.isReady(),
        ]);
        expect(refused, 'a leader without its peers is not ready').to.equal(false);
        cluster.links.heal();
        await note('all are ready again', cluster.waitUntilReady());
      }
    });
  });

  for (const [who, signal] of [
    ['a follower', 'SIGSTOP'],
    ['the leader', 'SIGKILL'],
  ] as const) {
    it(`only ${who} is left (${signal} for the others): it refuses within deadlines, and all recovers`, async function () {
      this.timeout(120_000);
      await using cluster = await Cluster.start({ configuration: loadConfiguration(), hasLinks: true });
      const load = new JobLoad(cluster, { secondsEach: 0.3 });
      await underWatch(load, async () => {
        await load.postAll(8);
        const leader = await cluster.leader();
        const [left, ...gone] =
          who === 'the leader'
            ? [leader, ...othersOf(cluster, leader)]
            : [...othersOf(cluster, leader), leader];
        await Promise.all(gone.map((member) => member.kill(signal)));
        const refused = await expectRefusals(load, left);
        await Promise.all(
          gone.map((member) => (signal === 'SIGSTOP' ? member.kill('SIGCONT') : member.start())),
        );
        await note('all are ready again', cluster.waitUntilReady());
        for (const token of refused) {
          expect(await load.post(left, token)).to.include({ status: 202 });
        }
      });
    });
  }

  it('all three are killed at once: nothing is lost, and runs go on', async function () {
    this.timeout(120_000);
    await using cluster = await Cluster.start({ configuration: loadConfiguration(), hasLinks: true });
    const load = new JobLoad(cluster, { secondsEach: 1 });
    await underWatch(load, async () => {
      await load.postAll(16);
      await load.waitUntilBusy();
      await Promise.all(cluster.members.map((member) => member.kill('SIGKILL')));
      const running = await load.runningIds();
      expect(running, 'runs that outlive all members').to.not.be.empty;
      await Promise.all(cluster.members.map((member) => member.start()));
      await note('all are ready again', cluster.waitUntilReady());
      await load.postAll(2);
    });
  });

  it('a graceful restart of one after the other under a steady load of POSTs', async function () {
    this.timeout(120_000);
    await using cluster = await Cluster.start({ configuration: loadConfiguration(), hasLinks: true });
    const load = new JobLoad(cluster, { secondsEach: 0.1 });
    let failures: string[] = [];
    let slowestMs = 0;
    await underWatch(load, async () => {
      await load.postAll(4);
      for (const restarted of cluster.members) {
        const over = new AbortController();
        const posting = othersOf(cluster, restarted).map(async (member) => {
          while (!over.signal.aborted) {
            const token = load.newToken();
            for (let answer = await load.post(member, token); ; answer = await load.post(member, token)) {
              slowestMs = Math.max(slowestMs, answer.ms);
              if (answer.status === 202) {
                break;
              }
              failures = [...failures, `${member.name}: ${answer.status} ${answer.code}`];
            }
            await delay(100);
          }
        });
        await note(`${restarted.name} stops`, restarted.kill('SIGTERM'));
        await restarted.start();
        await cluster.waitUntilReady();
        over.abort();
        await Promise.all(posting);
      }
    });
    process.stdout.write(
      `      slowest POST through the others: ${Math.round(slowestMs)} ms, refused: ${failures.length}\n`,
    );
    expect(failures).to.deep.equal([]);
    expect(slowestMs).to.be.below(2 * electionTimeoutMs + graceMs);
  });
});
