import { expect } from 'chai';
import { beforeEach, describe, it } from 'mocha';
import { encodeCommand } from '../../src/state-machine/command-codec.ts';
import { sessionsMax } from '../../src/state-machine/limits.ts';
import type { Change } from '../../src/store.ts';
import { breathe, electionTimeoutMs, set, TestCluster, watch } from './test-cluster.ts';

describe('replica', () => {
  describe('alone', () => {
    let cluster: TestCluster;

    beforeEach(() => {
      cluster = new TestCluster(1);
      cluster.elect();
    });

    it('answers nothing and applies nothing before it is durable', async () => {
      const { store, log } = cluster.member(0);
      const warm = watch(store.transact(set('warm')));
      cluster.settle();
      await breathe();
      expect(warm.value).to.include({ applied: true });
      log.isHeld = true;
      const held = watch(store.transact(set('held')));
      cluster.settle();
      await breathe();
      expect(held.isSettled).to.equal(false);
      expect(store.view.get('h', 'held')).to.equal(undefined);
      log.isHeld = false;
      cluster.settle();
      await breathe();
      expect(held.value).to.include({ applied: true });
      expect(store.view.get('h', 'held')).to.not.equal(undefined);
    });

    it('writes all that one turn brings as one batch', async () => {
      const { store, log } = cluster.member(0);
      const warm = watch(store.transact(set('warm')));
      cluster.settle();
      const { length } = log.batches;
      const all = Array.from({ length: 20 }, (_, i) => watch(store.transact(set(`f${i}`))));
      cluster.settle();
      await breathe();
      expect(warm.isSettled).to.equal(true);
      expect(all.every((one) => one.value?.applied)).to.equal(true);
      expect(log.batches.slice(length).map((batch) => batch.entries.length)).to.deep.equal([20]);
    });

    it('tells listeners of changes in order, and only of what wrote something', async () => {
      const { store } = cluster.member(0);
      const changes: Change[] = [];
      const end = store.onChange((change) => changes.push(change));
      const results = [
        watch(store.transact(set('a'))),
        watch(store.transact({ checks: [{ check: 'empty', hashset: 'h' }], writes: [] })),
        watch(store.transact(set('b', 'v', 'other'))),
      ];
      cluster.settle();
      await breathe();
      expect(results[1]?.value).to.include({ applied: false, failedCheck: 0 });
      expect(changes.map(({ hashsets }) => [...hashsets])).to.deep.equal([['h'], ['other']]);
      expect(changes[0]?.index).to.equal(results[0]?.value?.index);
      end();
      watch(store.transact(set('c')));
      cluster.settle();
      expect(changes).to.have.length(2);
    });

    it('lets a listener ask for more', async () => {
      const { store } = cluster.member(0);
      const end = store.onChange(() => {
        end();
        watch(store.transact(set('second')));
      });
      watch(store.transact(set('first')));
      cluster.settle();
      expect(store.view.size('h')).to.equal(2);
    });

    it('applies its log again after a restart, once it leads again', () => {
      const member = cluster.member(0);
      for (let i = 0; i < 300; i++) watch(member.store.transact(set(`f${i}`)));
      cluster.settle();
      cluster.crash(member);
      cluster.restart(member);
      expect(member.store.view.appliedIndex).to.equal(0);
      cluster.elect();
      expect(member.store.view.size('h')).to.equal(300);
    });

    it('goes on with a long backlog without being asked', () => {
      const slow = new TestCluster(1, { applySliceMs: 0 });
      slow.elect();
      const { store } = slow.member(0);
      for (let i = 0; i < 300; i++) watch(store.transact(set(`f${i}`)));
      slow.settle();
      expect(store.view.size('h')).to.equal(300);
    });

    it('reads its mail between two slices of a long backlog', () => {
      const slow = new TestCluster(1, { applySliceMs: 0 });
      slow.elect();
      const member = slow.member(0);
      for (let i = 0; i < 300; i++) watch(member.store.transact(set(`f${i}`)));
      const sizes = new Set<number>();
      const { receive } = member.core;
      member.core.receive = function (from, message) {
        sizes.add(member.store.view.size('h'));
        receive.call(this, from, message);
      };
      const { term } = member.core;
      while (member.store.view.size('h') < 300) {
        member.replica.receive('m1', { type: 'HeartbeatResponse', term, round: 0 });
        const turns = member.turns.splice(0);
        for (const turn of turns) turn();
        member.log.flush();
      }
      expect(sizes.size).to.be.at.least(4);
    });

    it('skips what is no command and goes on', async () => {
      const { store, replica, warnings } = cluster.member(0);
      replica.receive('stranger', { type: 'Propose', sequence: 1, payload: Buffer.from('garbage') });
      const next = watch(store.transact(set('f')));
      cluster.settle();
      await breathe();
      expect(next.value).to.include({ applied: true });
      expect(warnings).to.deep.equal(['malformed_command_skipped']);
    });

    it('opens a new session when its own was forgotten, and applies nothing twice', async () => {
      const { store, replica } = cluster.member(0);
      watch(store.transact(set('warm')));
      cluster.settle();
      const changes: Change[] = [];
      store.onChange((change) => changes.push(change));
      for (let nonce = 0; nonce < sessionsMax; nonce++) {
        const payload = encodeCommand({ type: 'OpenSession', member: 'other', nonce });
        replica.receive('other', { type: 'Propose', sequence: 0, payload });
      }
      cluster.settle();
      const all = ['a', 'b', 'c'].map((field) => watch(store.transact(set(field))));
      cluster.settle();
      await breathe();
      expect(all.map((one) => one.value?.applied)).to.deep.equal([true, true, true]);
      expect(changes).to.have.length(3);
    });
  });

  describe('fatal errors', () => {
    it('stops, reports once and settles what is pending when a step fails', async () => {
      const cluster = new TestCluster(1);
      cluster.elect();
      const { store, log, replica, fatal } = cluster.member(0);
      watch(store.transact(set('warm')));
      cluster.settle();
      log.append = () => {
        throw new Error('no disk');
      };
      const pending = watch(store.transact(set('f')));
      const read = watch(store.readBarrier());
      cluster.settle();
      await breathe();
      expect(fatal.map((error) => error.message)).to.deep.equal(['no disk']);
      expect(pending.error).to.include({ code: 'timeout' });
      expect(read.isSettled).to.equal(true);
      replica.tick();
      replica.fail(new Error('again'));
      cluster.settle();
      expect(fatal).to.have.length(1);
      expect(store.view.get('h', 'f')).to.equal(undefined);
    });

    it('does not take a write for durable that completes after it stopped', async () => {
      const cluster = new TestCluster(1);
      cluster.elect();
      const { store, log, replica } = cluster.member(0);
      watch(store.transact(set('warm')));
      cluster.settle();
      log.isHeld = true;
      const pending = watch(store.transact(set('f')));
      cluster.settle();
      replica.stop('Stopping for the test');
      log.isHeld = false;
      cluster.settle();
      await breathe();
      expect(pending.error).to.include({ code: 'timeout' });
      expect(store.view.get('h', 'f')).to.equal(undefined);
    });

    it('stops when a listener throws', () => {
      const cluster = new TestCluster(1);
      const { store, fatal } = cluster.member(0);
      store.onLeadership(() => {
        throw new Error('broken listener');
      });
      cluster.pass(3 * electionTimeoutMs);
      expect(fatal.map((error) => error.message)).to.deep.equal(['broken listener']);
    });
  });
});
