import { expect } from 'chai';
import { beforeEach, describe, it } from 'mocha';
import { type ReplicaLimits, replicaLimits } from '../../src/replica/ports.ts';
import { openingSequence, Proposals } from '../../src/replica/proposals.ts';
import { MemberSession } from '../../src/replica/session.ts';
import { parseCommand } from '../../src/state-machine/command-codec.ts';
import { sessionWindowMax } from '../../src/state-machine/limits.ts';
import type { TransactionOutcome } from '../../src/state-machine/state-machine.ts';
import { breathe, electionTimeoutMs, heartbeatMs, set, TestCluster, watch } from './test-cluster.ts';

const applied = (session: number, sequence: number, index = 50): TransactionOutcome => ({
  type: 'transaction',
  session,
  sequence,
  result: { applied: true, index },
  touched: new Set(),
});

describe('proposals', () => {
  let proposals: Proposals;

  const create = (limits: Partial<ReplicaLimits> = {}): void => {
    const all = { ...replicaLimits, resendMs: 500, ...limits };
    proposals = new Proposals(all, new MemberSession('m', () => 0.5, all.resendMs));
  };

  const submit = (field = 'f', deadlineAt = 10_000, value = 'v') => {
    const outcomes: unknown[] = [];
    const sequence = proposals.submit(set(field, value), 0, deadlineAt, (outcome) => outcomes.push(outcome));
    return { outcomes, sequence };
  };

  /** Opens session 9 for a proposal that is then applied. */
  const openSession = (): void => {
    const { sequence } = submit('opening');
    proposals.takeDue(0);
    const nonce = Math.floor(0.5 * Number.MAX_SAFE_INTEGER);
    expect(proposals.sessionOpened({ type: 'sessionOpened', session: 9, member: 'm', nonce }, 0)).to.equal(
      true,
    );
    proposals.takeDue(0);
    proposals.applied(applied(9, sequence), 0);
  };

  const sequencesDue = (now: number) => proposals.takeDue(now).map(({ sequence }) => sequence);

  beforeEach(() => create());

  it('sends nothing while nothing is pending', () => {
    expect(proposals.takeDue(0)).to.deep.equal([]);
  });

  it('opens a session first, once per resend interval', () => {
    submit();
    const [opening] = proposals.takeDue(0);
    expect(opening?.sequence).to.equal(openingSequence);
    expect(parseCommand(opening?.payload ?? Buffer.alloc(0))).to.include({
      type: 'OpenSession',
      member: 'm',
    });
    expect(proposals.takeDue(499)).to.deep.equal([]);
    expect(sequencesDue(500)).to.deep.equal([openingSequence]);
  });

  it('does not take a session that another member, or an earlier life, opened', () => {
    submit();
    proposals.takeDue(0);
    const nonce = Math.floor(0.5 * Number.MAX_SAFE_INTEGER);
    expect(proposals.sessionOpened({ type: 'sessionOpened', session: 9, member: 'x', nonce }, 0)).to.equal(
      false,
    );
    expect(proposals.sessionOpened({ type: 'sessionOpened', session: 9, member: 'm', nonce: 1 }, 0)).to.equal(
      false,
    );
    expect(proposals.takeDue(1)).to.deep.equal([]);
  });

  it('numbers transactions and names the lowest pending one as the floor', () => {
    openSession();
    const [a] = [submit('a'), submit('b')];
    const commands = () => proposals.takeDue(0).map(({ payload }) => parseCommand(payload));
    expect(commands()).to.containSubset([
      { session: 9, sequence: 2, floor: 2 },
      { session: 9, sequence: 3, floor: 2 },
    ]);
    proposals.applied(applied(9, a?.sequence ?? 0), 0);
    submit('c');
    expect(commands()).to.containSubset([{ session: 9, sequence: 4, floor: 3 }]);
  });

  it('sends again after the interval, then after twice as long', () => {
    openSession();
    const { sequence } = submit();
    expect(sequencesDue(0)).to.deep.equal([sequence]);
    expect(sequencesDue(499)).to.deep.equal([]);
    expect(sequencesDue(500)).to.deep.equal([sequence]);
    expect(sequencesDue(1_499)).to.deep.equal([]);
    expect(sequencesDue(1_500)).to.deep.equal([sequence]);
  });

  it('sends all again in order on a new leader', () => {
    openSession();
    const all = [submit('a'), submit('b'), submit('c')].map(({ sequence }) => sequence);
    proposals.takeDue(0);
    proposals.sendAgain(10);
    expect(sequencesDue(9)).to.deep.equal([]);
    expect(sequencesDue(10)).to.deep.equal(all);
  });

  it('settles with the result, once', () => {
    openSession();
    const { outcomes, sequence } = submit();
    proposals.takeDue(0);
    proposals.applied(applied(9, sequence, 77), 0);
    proposals.applied(applied(9, sequence, 78), 0);
    expect(outcomes).to.deep.equal([{ applied: true, index: 77 }]);
    expect(proposals.size).to.equal(0);
  });

  it('ignores transactions of other sessions', () => {
    openSession();
    const { outcomes, sequence } = submit();
    proposals.takeDue(0);
    proposals.applied(applied(8, sequence), 0);
    expect(outcomes).to.deep.equal([]);
  });

  it('moves what is pending to a new session when the old one is forgotten', () => {
    openSession();
    const { outcomes, sequence } = submit();
    proposals.takeDue(0);
    proposals.applied({ ...applied(9, sequence), result: 'session_expired' }, 20);
    expect(outcomes).to.deep.equal([]);
    expect(sequencesDue(20)).to.deep.equal([openingSequence]);
    const nonce = Math.floor(0.5 * Number.MAX_SAFE_INTEGER);
    proposals.sessionOpened({ type: 'sessionOpened', session: 60, member: 'm', nonce }, 30);
    const [again] = proposals.takeDue(30);
    expect(parseCommand(again?.payload ?? Buffer.alloc(0))).to.include({ session: 60, sequence });
  });

  it('does not survive a pending sequence that expired: the invariant is broken', () => {
    openSession();
    const { sequence } = submit();
    const expired = { ...applied(9, sequence), result: 'sequence_expired' } as const;
    expect(() => proposals.applied(expired, 0)).to.throw('expired although it is still pending');
  });

  describe('at the deadline', () => {
    const failure = (outcomes: readonly unknown[]): unknown => {
      expect(outcomes).to.have.length(1);
      return outcomes[0];
    };

    it('says "unavailable" when it was never sent', () => {
      const { outcomes } = submit('f', 100);
      proposals.expire(99);
      expect(outcomes).to.deep.equal([]);
      proposals.expire(100);
      expect(failure(outcomes)).to.include({ code: 'unavailable' });
    });

    it('says "timeout" when a copy may be on its way', () => {
      openSession();
      const { outcomes } = submit('f', 100);
      proposals.takeDue(0);
      proposals.expire(100);
      expect(failure(outcomes)).to.include({ code: 'timeout' });
    });

    it('says "unavailable" when each copy was refused, "timeout" when one was not', () => {
      openSession();
      const [refused, lost] = [submit('f', 100), submit('g', 100)];
      proposals.takeDue(0);
      proposals.refused(refused?.sequence ?? 0, 'not_leader', 50);
      proposals.sendAgain(50);
      proposals.takeDue(50);
      for (const one of [refused, lost]) proposals.refused(one?.sequence ?? 0, 'not_leader', 60);
      proposals.expire(100);
      expect(failure(refused?.outcomes ?? [])).to.include({ code: 'unavailable' });
      expect(failure(lost?.outcomes ?? [])).to.include({ code: 'timeout' });
    });

    it('says "overloaded" when the leader was', () => {
      openSession();
      const { outcomes, sequence } = submit('f', 100);
      proposals.takeDue(0);
      proposals.refused(sequence, 'overloaded', 50);
      proposals.expire(100);
      expect(failure(outcomes)).to.include({ code: 'overloaded' });
    });

    it('raises the floor, so that a late copy is never applied', () => {
      openSession();
      submit('f', 100);
      proposals.takeDue(0);
      proposals.expire(100);
      const { sequence } = submit('g');
      expect(proposals.floor).to.equal(sequence);
    });
  });

  describe('bounds', () => {
    it('refuses one transaction too many', () => {
      create({ proposalsMax: 2 });
      submit();
      submit();
      expect(submit().outcomes[0]).to.include({ code: 'overloaded' });
      expect(proposals.size).to.equal(2);
    });

    it('refuses too many bytes, and takes more once some are settled', () => {
      create({ proposalBytesMax: 500 });
      const first = submit('f', 100, 'x'.repeat(200));
      expect(submit('g', 100, 'x'.repeat(300)).outcomes[0]).to.include({ code: 'overloaded' });
      proposals.expire(100);
      expect(first.outcomes).to.have.length(1);
      expect(submit('g', 200, 'x'.repeat(300)).outcomes).to.deep.equal([]);
    });

    it('refuses a transaction that is too large for any leader', () => {
      create({ transactionBytesMax: 500 });
      expect(submit('f', 100, 'x'.repeat(500)).outcomes[0]).to.include({ code: 'too_large' });
    });

    it('refuses what lies outside the window of its session', () => {
      create({ proposalsMax: 2 * sessionWindowMax });
      for (let i = 0; i < sessionWindowMax; i++) submit();
      expect(submit().outcomes[0]).to.include({ code: 'overloaded' });
    });
  });

  it('ends the wait of a caller that gives up, saying whether it was sent', () => {
    openSession();
    const [sent] = [submit('sent')];
    proposals.takeDue(0);
    const unsent = submit('unsent');
    for (const one of [sent, unsent]) proposals.abort(one?.sequence ?? 0, 'enough');
    expect(sent?.outcomes[0]).to.include({ code: 'aborted', cause: 'enough' });
    expect(String(sent?.outcomes[0])).to.contain('may or may not');
    expect(String(unsent.outcomes[0])).to.contain('was not applied');
    proposals.abort(unsent.sequence, 'again');
    expect(unsent.outcomes).to.have.length(1);
  });

  it('settles everything when it stops: "closed" what was not sent, "timeout" what was', () => {
    openSession();
    const [sent] = [submit('sent')];
    proposals.takeDue(0);
    const unsent = submit('unsent');
    proposals.stop('Stopping for the test');
    expect(sent?.outcomes[0]).to.include({ code: 'timeout' });
    expect(unsent.outcomes[0]).to.include({ code: 'closed' });
  });
});

describe('proposals in a cluster', () => {
  it('are "unavailable" without a leader, and never applied', async () => {
    const cluster = new TestCluster(3);
    const member = cluster.member(0);
    cluster.loses = () => true;
    const write = watch(member.store.transact(set('f'), { deadlineMs: 3_000 }));
    cluster.pass(2_900);
    await breathe();
    expect(write.isSettled).to.equal(false);
    cluster.pass(200);
    await breathe();
    expect(write.error).to.include({ code: 'unavailable' });
    cluster.heal();
    cluster.pass(5 * electionTimeoutMs);
    for (const { store } of cluster.members) expect(store.view.size('h')).to.equal(0);
  });

  it('are a "timeout" once they were sent, whatever became of them', async () => {
    const cluster = new TestCluster(3);
    const leader = cluster.elect();
    watch(leader.store.transact(set('warm')));
    cluster.settle();
    cluster.isolate(leader);
    const write = watch(leader.store.transact(set('f'), { deadlineMs: 300 }));
    cluster.pass(400);
    await breathe();
    expect(write.error).to.include({ code: 'timeout' });
  });

  it('are refused by a leader that cannot keep up with applying', async () => {
    const cluster = new TestCluster(3, { applyBacklogMax: -1 });
    cluster.elect();
    const write = watch(cluster.follower.store.transact(set('f'), { deadlineMs: 1_000 }));
    cluster.pass(1_100);
    await breathe();
    expect(write.error).to.include({ code: 'overloaded' });
    const refusals = cluster.leader.sent.filter(({ message }) => message.type === 'ProposeRefused');
    expect(refusals.length).to.be.greaterThan(1);
  });

  it('are proposed in pieces that fit, however many come at once', async () => {
    const cluster = new TestCluster(1);
    cluster.elect();
    const { store, core } = cluster.member(0);
    watch(store.transact(set('warm')));
    cluster.settle();
    const pieces: number[] = [];
    const { propose } = core;
    core.propose = function (payloads) {
      pieces.push(payloads.reduce((sum, payload) => sum + payload.length, 0));
      return propose.call(this, payloads);
    };
    const writes = Array.from({ length: 8 }, (_, i) =>
      watch(store.transact(set(`f${i}`, 'x'.repeat(400_000)))),
    );
    cluster.pass(heartbeatMs);
    await breathe();
    expect(writes.every((write) => write.value?.applied)).to.equal(true);
    expect(pieces).to.have.length(4);
    for (const bytes of pieces) expect(bytes).to.be.at.most(1_048_576);
  });
});
