import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { type Member, type MemberAddress, openMember } from '../src/member.ts';
import { freePorts } from './free-ports.ts';

const limits = { checkpointEntries: 50, logMarginEntries: 10 };

const set = (field: string, text: string) => ({
  checks: [],
  writes: [{ write: 'set', hashset: 'h', field, value: Buffer.from(text) } as const],
});

/** All of hashset `h`, in order. */
const contents = (member: Member): [string, string, number, number][] =>
  [...member.view.entries('h')].map(([field, { value, createdIndex, version }]) => [
    field,
    Buffer.from(value).toString(),
    createdIndex,
    version,
  ]);

describe('a member with checkpoints', function () {
  this.timeout(30_000);
  let directory = '';
  let open: Member[] = [];
  const fatal: Error[] = [];
  const events: { event: string; facts: object }[] = [];
  const note = (facts: object, event: string): void => void events.push({ event, facts });

  const start = async (name: string, addresses: readonly MemberAddress[]): Promise<Member> => {
    const own = addresses.find((address) => address.name === name);
    const member = await openMember({
      name,
      members: addresses,
      directory: join(directory, name),
      host: '127.0.0.1',
      port: Number(new URL(own?.url ?? '').port),
      clusterSecret: 'secret',
      heartbeatMs: 20,
      electionTimeoutMs: 200,
      limits,
      logger: { info: note, warn: note, error: note },
      onFatal: (error) => fatal.push(error),
    });
    open.push(member);
    return member;
  };

  const stop = async (member: Member): Promise<void> => {
    open = open.filter((one) => one !== member);
    await member.close();
  };

  const happened = async (event: string, times = 1): Promise<void> => {
    while (events.filter((one) => one.event === event).length < times) await delay(10);
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'slimdata-checkpoint-'));
    events.length = 0;
  });

  afterEach(async () => {
    await Promise.all(open.map((member) => member.close()));
    open = [];
    await rm(directory, { recursive: true, force: true });
    expect(fatal).to.deep.equal([]);
  });

  it('starts again from its checkpoint and the rest of the log', async () => {
    const [port] = await freePorts(1);
    const addresses = [{ name: 'a', url: `http://127.0.0.1:${port}` }];
    const first = await start('a', addresses);
    for (let n = 0; n < 170; n += 1) await first.transact(set(`f${n % 60}`, `value ${n}`));
    await happened('checkpoint_written', 2);
    const before = contents(first);
    await stop(first);

    const second = await start('a', addresses);
    expect(second.view.appliedIndex, 'state before anything is committed again').to.be.greaterThan(100);
    await second.readBarrier();
    expect(contents(second)).to.deep.equal(before);
    expect(await second.transact(set('f0', 'again'))).to.include({ applied: true });
    expect(await readdir(join(directory, 'a'))).to.include('checkpoint');
  });

  it('brings a member that was away too long up to date with a snapshot, and it goes on from there', async () => {
    const ports = await freePorts(3);
    const addresses = ['a', 'b', 'c'].map((name, n) => ({ name, url: `http://127.0.0.1:${ports[n]}` }));
    const [a, b, c] = await Promise.all(addresses.map(({ name }) => start(name, addresses)));
    if (a === undefined || b === undefined || c === undefined) throw new Error('three members');
    for (let n = 0; n < 20; n += 1) await a.transact(set(`f${n}`, 'early'));
    await stop(c);
    for (let n = 0; n < 300; n += 1) await b.transact(set(`f${n % 90}`, `value ${n}`));
    await happened('checkpoint_written', 8);

    const again = await start('c', addresses);
    await happened('snapshot_restored');
    await again.readBarrier();
    expect(contents(again)).to.deep.equal(contents(b));
    expect(await again.transact(set('after', 'snapshot'))).to.include({ applied: true });
    for (let n = 0; n < 120; n += 1) await again.transact(set(`g${n}`, 'later'));
    await Promise.all([a, b].map((member) => member.readBarrier()));
    expect(contents(a)).to.deep.equal(contents(again));

    await stop(again);
    const third = await start('c', addresses);
    await third.readBarrier();
    expect(contents(third)).to.deep.equal(contents(a));
  });
});
