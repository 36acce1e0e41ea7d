import { AssertionError } from 'node:assert';
import { expect } from 'chai';
import { beforeEach, describe, it } from 'mocha';
import { nameLengthMax, transactionStepsMax } from '../../src/state-machine/limits.ts';
import type { Transaction } from '../../src/state-machine/transaction.ts';
import { breathe, set, TestCluster, watch } from './test-cluster.ts';

describe('replica store', () => {
  let cluster: TestCluster;

  beforeEach(() => {
    cluster = new TestCluster(1);
    cluster.elect();
  });

  it('tells listeners of leadership until they leave', () => {
    const three = new TestCluster(3);
    const { store } = three.member(0);
    const seen: string[] = [];
    const end = store.onLeadership(({ role, leader }) => seen.push(`${role} of ${leader}`));
    three.elect();
    expect(seen.at(-1)).to.equal(`${store.leadership.role} of ${store.leadership.leader}`);
    const { length } = seen;
    end();
    three.isolate(three.leader);
    three.pass(5_000);
    expect(seen).to.have.length(length);
  });

  it('ends the wait when the signal fires', async () => {
    const { store, log } = cluster.member(0);
    log.isHeld = true;
    const controller = new AbortController();
    const write = watch(store.transact(set('f'), { signal: controller.signal }));
    const read = watch(store.readBarrier({ signal: controller.signal }));
    controller.abort('enough');
    await breathe();
    for (const { error } of [write, read]) expect(error).to.include({ code: 'aborted', cause: 'enough' });
  });

  it('sends nothing for a signal that has fired already', async () => {
    const { store } = cluster.member(0);
    const write = watch(store.transact(set('f'), { signal: AbortSignal.abort('enough') }));
    cluster.settle();
    await breathe();
    expect(write.error).to.include({ code: 'aborted', cause: 'enough' });
    expect(store.view.size('h')).to.equal(0);
  });

  it('refuses new requests while it drains, and drains when those under way are settled', async () => {
    const { store, log } = cluster.member(0);
    log.isHeld = true;
    const write = watch(store.transact(set('f')));
    const drained = watch(store.drain());
    const refused = [watch(store.transact(set('g'))), watch(store.readBarrier())];
    cluster.settle();
    await breathe();
    for (const { error } of refused) expect(error).to.include({ code: 'closed' });
    expect(drained.isSettled).to.equal(false);
    log.isHeld = false;
    cluster.settle();
    await breathe();
    expect(write.value).to.include({ applied: true });
    expect(drained.isSettled).to.equal(true);
  });

  const wrong: readonly [what: string, transaction: Transaction][] = [
    ['an empty name', set('')],
    ['a name that is too long', set('x'.repeat(nameLengthMax + 1))],
    ['a name with half a character', set('\ud800')],
    ['a hashset without a name', { checks: [{ check: 'empty', hashset: '' }], writes: [] }],
    [
      'too many steps',
      { checks: new Array(transactionStepsMax + 1).fill({ check: 'term', term: 1 }), writes: [] },
    ],
  ];

  for (const [what, transaction] of wrong) {
    it(`takes ${what} for a mistake of its caller`, async () => {
      const write = watch(cluster.member(0).store.transact(transaction));
      await breathe();
      expect(write.error).to.be.instanceOf(AssertionError);
    });
  }
});
