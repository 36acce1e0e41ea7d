import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { Logger } from '../src/logger.ts';
import { type Member, type MemberAddress, openMember } from '../src/member.ts';
import type { Leadership } from '../src/raft/types.ts';
import type { Store } from '../src/store.ts';
import { freePorts } from './free-ports.ts';

const silent: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

const bytes = (text: string): Uint8Array => Buffer.from(text);

const textOf = (store: Store, hashset: string, field: string): string | undefined => {
  const record = store.view.get(hashset, field);
  return record === undefined ? undefined : Buffer.from(record.value).toString();
};

const set = (hashset: string, field: string, value: string) => ({
  checks: [],
  writes: [{ write: 'set', hashset, field, value: bytes(value) } as const],
});

/** Resolves when `store` reports a leadership for which `wanted` holds. */
function leadership(store: Store, wanted: (leadership: Leadership) => boolean): Promise<Leadership> {
  return new Promise((resolve) => {
    if (wanted(store.leadership)) return resolve(store.leadership);
    const end = store.onLeadership((now) => {
      if (!wanted(now)) return;
      end();
      resolve(now);
    });
  });
}

describe('member', function () {
  this.timeout(20_000);
  let directory = '';
  let members: Member[] = [];
  const fatal: Error[] = [];

  const open = async (
    name: string,
    addresses: readonly MemberAddress[],
    clusterSecret: string | null = null,
  ) => {
    const own = addresses.find((address) => address.name === name);
    const member = await openMember({
      name,
      members: addresses,
      directory: join(directory, name),
      host: '127.0.0.1',
      port: Number(new URL(own?.url ?? 'http://x:0').port),
      clusterSecret,
      heartbeatMs: 20,
      electionTimeoutMs: 200,
      logger: silent,
      onFatal: (error) => fatal.push(error),
    });
    members.push(member);
    return member;
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'slimdata-member-'));
    members = [];
    fatal.length = 0;
  });

  afterEach(async () => {
    await Promise.all(members.map((member) => member.close()));
    await rm(directory, { recursive: true, force: true });
    expect(fatal).to.deep.equal([]);
  });

  describe('alone', () => {
    const alone: readonly MemberAddress[] = [{ name: 'a', url: 'http://127.0.0.1:0' }];

    it('writes, reads its own writes, and reports its port', async () => {
      const member = await open('a', alone);
      const result = await member.transact(set('h', 'f', 'one'));
      expect(result).to.include({ applied: true });
      expect(textOf(member, 'h', 'f')).to.equal('one');
      await member.readBarrier();
      expect(member.port).to.be.greaterThan(0);
      expect(member.leadership).to.include({ role: 'leader', leader: 'a' });
    });

    it('keeps its data over a restart', async () => {
      const before = await open('a', alone);
      for (let i = 0; i < 50; i++) await before.transact(set('h', `f${i}`, `v${i}`));
      await before.close();
      const after = await open('a', alone);
      await after.readBarrier();
      expect([...after.view.entries('h')].map(([field]) => field)).to.deep.equal(
        Array.from({ length: 50 }, (_, i) => `f${i}`),
      );
      expect(textOf(after, 'h', 'f49')).to.equal('v49');
    });

    it('refuses work after it was closed', async () => {
      const member = await open('a', alone);
      {
        await using closing = member;
        expect(closing.member).to.equal('a');
      }
      const error = await member.transact(set('h', 'f', 'v')).catch((reason: unknown) => reason);
      expect(error).to.include({ name: 'StoreError', code: 'closed' });
    });

    it('lets go of its directory when the port cannot be bound', async () => {
      const [port = 0] = await freePorts(1);
      const taken = createServer().listen(port, '127.0.0.1');
      await once(taken, 'listening');
      const busy = [{ name: 'a', url: `http://127.0.0.1:${port}` }];
      const error = await open('a', busy).catch((reason: unknown) => reason);
      expect(error).to.include({ code: 'EADDRINUSE' });
      await once(taken.close(), 'close');
      const member = await open('a', busy);
      expect(await member.transact(set('h', 'f', 'v'))).to.include({ applied: true });
    });
  });

  describe('of three', () => {
    let addresses: readonly MemberAddress[] = [];
    const secret = randomBytes(16).toString('hex');

    const openAll = () => Promise.all(addresses.map(({ name }) => open(name, addresses, secret)));

    const leaderOf = async (among: readonly Member[]): Promise<Member> => {
      const known = await Promise.all(
        among.map((member) => leadership(member, ({ leader }) => among.some((one) => one.member === leader))),
      );
      const newest = known.reduce((best, one) => (one.term > best.term ? one : best));
      const leader = among.find((member) => member.member === newest.leader);
      if (leader === undefined) throw new Error(`no member named ${newest.leader}`);
      return leader;
    };

    beforeEach(async () => {
      const ports = await freePorts(3);
      addresses = ports.map((port, i) => ({ name: `m${i}`, url: `http://127.0.0.1:${port}` }));
    });

    it('writes on a follower and reads on every member', async () => {
      const cluster = await openAll();
      const leader = await leaderOf(cluster);
      const follower = cluster.find((member) => member !== leader) ?? leader;
      expect(await follower.transact(set('h', 'f', 'one'))).to.include({ applied: true });
      expect(textOf(follower, 'h', 'f')).to.equal('one');
      for (const member of cluster) {
        await member.readBarrier();
        expect(textOf(member, 'h', 'f')).to.equal('one');
      }
    });

    it('lets exactly one of three concurrent writers create a field', async () => {
      const cluster = await openAll();
      const results = await Promise.all(
        cluster.map((member) =>
          member.transact({
            checks: [{ check: 'absent', hashset: 'h', field: 'f' }],
            writes: set('h', 'f', member.member).writes,
          }),
        ),
      );
      expect(results.filter((result) => result.applied)).to.have.length(1);
      expect(
        results
          .filter((result) => !result.applied)
          .map((result) => 'failedCheck' in result && result.failedCheck),
      ).to.deep.equal([0, 0]);
    });

    it('keeps its data when all restart', async () => {
      const before = await openAll();
      await Promise.all(
        before.flatMap((member) =>
          Array.from({ length: 40 }, (_, i) => member.transact(set('h', `${member.member}-${i}`, 'v'))),
        ),
      );
      await Promise.all(before.map((member) => member.close()));
      const after = await openAll();
      for (const member of after) {
        await member.readBarrier();
        expect(member.view.size('h')).to.equal(120);
      }
      const orders = after.map((member) => [...member.view.entries('h')].map(([field]) => field));
      expect(orders[1]).to.deep.equal(orders[0]);
      expect(orders[2]).to.deep.equal(orders[0]);
    });

    it('goes on after its leader closed, which hands leadership over first', async () => {
      const cluster = await openAll();
      const leader = await leaderOf(cluster);
      await leader.transact(set('h', 'before', 'v'));
      const { term } = leader.leadership;
      await leader.close();
      expect(leader.leadership.leader).to.not.equal(leader.member);
      expect(leader.leadership.term).to.be.greaterThan(term);
      const others = cluster.filter((member) => member !== leader);
      for (const member of others) {
        expect(await member.transact(set('h', member.member, 'v'))).to.include({ applied: true });
        await member.readBarrier();
        expect(textOf(member, 'h', 'before')).to.equal('v');
      }
      const back = await open(leader.member, addresses, secret);
      await back.readBarrier();
      expect(back.view.size('h')).to.equal(3);
    });

    it('counts what it does', async () => {
      const [member] = await openAll();
      await member?.transact(set('h', 'f', 'v'));
      const figures = member?.statistics();
      expect(figures?.appliedIndex).to.be.at.least(3);
      expect(figures?.committedIndex).to.be.at.least(figures?.appliedIndex ?? 0);
      expect(figures?.lastIndex).to.be.at.least(figures?.committedIndex ?? 0);
      expect(figures).to.include({ proposalsPending: 0 });
      expect(figures?.leaderChangesTotal).to.be.at.least(1);
    });
  });
});
