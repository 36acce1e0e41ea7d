import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { membersOf } from '../../src/raft/configuration.ts';
import type { Entry } from '../../src/raft/types.ts';
import { Cluster } from './cluster.ts';

/*
 * Short random schedules: every message and snapshot may be lost, doubled or late, every write slow, every member
 * may crash with what it had not written; logs are compacted and members come and go. The safety properties of
 * paper figure 3 are looked at after every step.
 */

/** Small deterministic generator (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Disorder {
  readonly cluster: Cluster;
  readonly names: string[];
  /** What happened, by kind. */
  readonly counts = { committed: 0, reads: 0, changes: 0, restored: 0, unwanted: 0, restartsInJoint: 0 };
  readonly #random: () => number;
  readonly #leaderOf = new Map<number, string>();
  /** First committed entry seen at each index, by whichever member. */
  readonly ledger: string[] = [];
  /** How far each member's commits have been compared. */
  readonly #compared = new Map<string, number>();
  /** Up to here a member's applied state came from a checkpoint or snapshot. */
  readonly #restored = new Map<string, number>();
  #commands = 0;
  #reads = 0;
  readonly readFloor = new Map<string, number>();

  constructor(seed: number) {
    this.#random = createRandom(seed);
    const voters = ['a', 'b', 'c', 'd', 'e'].slice(0, 1 + this.#below(5));
    const joining = ['x', 'y'].slice(0, this.#below(3));
    this.names = [...voters, ...joining];
    this.cluster = new Cluster(voters, {
      random: this.#random,
      electionTicks: 3 + this.#below(6),
      maxInflight: 1 + this.#below(4),
      maxEntriesBytes: 40 + this.#below(200),
    });
    this.cluster.join(...joining);
    for (const member of this.cluster.members.values()) {
      member.diskStalled = true;
    }
  }

  step(): void {
    const name = this.#someName();
    const { core } = this.cluster.member(name);
    const dice = this.#below(1000);
    if (dice < 120) {
      core.tick();
    } else if (dice < 300) {
      this.cluster.perform(name);
    } else if (dice < 500) {
      this.cluster.completeWrite(name);
    } else if (dice < 850) {
      this.#moveMessage();
    } else if (dice < 900) {
      this.#commands += 1;
      this.cluster.propose(name, `${this.#commands}`);
    } else if (dice < 925) {
      this.#reads += 1;
      this.readFloor.set(`${name}:${this.#reads}`, this.ledger.length);
      core.readIndex(this.#reads);
    } else {
      this.#rareStep(name, this.#below(75));
    }
    this.#check(name);
  }

  #rareStep(name: string, dice: number): void {
    const { core, committed } = this.cluster.member(name);
    if (dice < 3) {
      core.transferLeadership(this.#someName());
    } else if (dice < 6) {
      core.unreachable(this.#someName());
    } else if (dice < 22) {
      this.#changeMembership();
    } else if (dice < 40) {
      // Often to the tip, so that whoever lags needs a snapshot.
      const index = this.#below(2) === 0 ? committed.length : this.#below(committed.length + 1);
      this.cluster.compact(name, index);
    } else if (dice < 70) {
      this.#moveSnapshot();
    } else {
      this.counts.restartsInJoint += core.configuration.outgoing.size > 0 ? 1 : 0;
      this.cluster.crash(name);
      this.#compared.set(name, 0);
      this.#restored.set(name, committed.length);
    }
  }

  #changeMembership(): void {
    const [leader] = this.cluster.leaders();
    const types = ['addVoter', 'addVoter', 'addLearner', 'remove'] as const;
    const changes = Array.from(
      { length: 1 + this.#below(3) },
      () => [types[this.#below(types.length)] ?? 'remove', this.#someName()] as const,
    );
    const result = leader === undefined ? 'not_leader' : this.cluster.change(leader, ...changes);
    this.counts.changes += result === 'accepted' ? 1 : 0;
  }

  #moveSnapshot(): void {
    const { snapshots } = this.cluster;
    const at = this.#below(snapshots.length);
    const transfer = snapshots[at];
    if (transfer === undefined) {
      return;
    }
    const { from, to, index } = transfer;
    const fate = this.#below(6);
    if (fate !== 0) {
      // Otherwise it will come a second time, perhaps long after.
      snapshots.splice(at, 1);
    }
    if (fate === 1) {
      this.cluster.core(from).snapshotFailed(to);
      return;
    }
    const result = this.cluster.restore(transfer);
    if (result === 'restored') {
      this.counts.restored += 1;
      this.#restored.set(to, index);
      this.#compared.set(to, 0);
    } else {
      this.counts.unwanted += 1;
    }
    if (fate !== 2) {
      this.cluster.core(from).snapshotSent(to, index);
    } else {
      this.cluster.core(from).snapshotFailed(to);
    }
    this.#check(to);
  }

  #moveMessage(): void {
    const { queue } = this.cluster;
    const at = this.#below(3) === 0 ? this.#below(queue.length) : 0;
    const sent = queue[at];
    const fate = this.#below(20);
    if (sent === undefined) {
      return;
    }
    if (fate !== 0) {
      // Otherwise it stays in the queue and will come a second time.
      queue.splice(at, 1);
    }
    if (fate !== 1) {
      this.cluster.core(sent.to).receive(sent.from, sent.message);
      this.#check(sent.to);
    }
  }

  #check(name: string): void {
    const member = this.cluster.member(name);
    if (member.core.role === 'leader') {
      const { term } = member.core;
      expect(this.#leaderOf.get(term) ?? name, `leader of term ${term}`).to.equal(name);
      this.#leaderOf.set(term, name);
    }
    const from = this.#compared.get(name) ?? 0;
    for (let at = from; at < member.committed.length; at += 1) {
      this.#compare(name, at, member.committed[at]);
    }
    this.#compared.set(name, member.committed.length);
    for (const { request, index } of member.reads.splice(0)) {
      const floor = this.readFloor.get(`${name}:${request}`) ?? 0;
      expect(index === -1 || index >= floor, `read ${request} at ${index}, floor ${floor}`).to.equal(true);
      this.counts.reads += index === -1 ? 0 : 1;
    }
  }

  #compare(name: string, at: number, entry: Entry | undefined): void {
    const text = `${entry?.index} ${entry?.term} ${Buffer.from(entry?.payload ?? []).toString()}`;
    expect(entry?.index, `"${name}" applies in order`).to.equal(at + 1);
    expect(this.ledger[at] ?? text, `entry ${at + 1} as applied by "${name}"`).to.equal(text);
    this.ledger[at] = text;
    this.counts.committed = this.ledger.length;
    if (at >= (this.#restored.get(name) ?? 0)) {
      this.#expectHeld(name, entry);
    }
  }

  /**
   * A majority of the voters (of the incoming ones, if joint) has the entry on disk, in the log or in a checkpoint:
   * whichever configuration the leader counted by, it was no less.
   */
  #expectHeld(name: string, entry: Entry | undefined): void {
    const { index = 0, term } = entry ?? {};
    const { voters } = this.cluster.core(name).configurationAt(index);
    const holders = [...voters].filter((voter) => {
      const { base, entries, checkpoint } = this.cluster.member(voter).disk;
      return (checkpoint?.index ?? 0) >= index || entries[index - base.index - 1]?.term === term;
    });
    if (voters.size === 0) {
      // It has not come to know yet whom it belongs to.
      return;
    }
    expect(holders.length * 2, `holders of ${term}/${index} among ${[...voters]}`).to.be.greaterThan(
      voters.size,
    );
  }

  #someName(): string {
    return this.names[this.#below(this.names.length)] ?? 'a';
  }

  #below(end: number): number {
    return Math.floor(this.#random() * end);
  }
}

describe('disorder', () => {
  it('no schedule breaks the safety properties of figure 3, nor a read its floor', () => {
    const total = { committed: 0, reads: 0, changes: 0, restored: 0, unwanted: 0, restartsInJoint: 0 };
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const disorder = new Disorder(seed);
        for (let i = 0; i < 3000; i += 1) {
          disorder.step();
        }
        for (const kind of Object.keys(total) as (keyof typeof total)[]) {
          total[kind] += disorder.counts[kind];
        }
      }),
      { numRuns: 200 },
    );
    // What never happens proves nothing.
    expect(total.committed, 'entries committed').to.be.greaterThan(1000);
    expect(total.reads, 'reads served').to.be.greaterThan(100);
    expect(total.changes, 'changes of membership begun').to.be.greaterThan(200);
    expect(total.restored, 'snapshots restored').to.be.greaterThan(50);
    expect(total.unwanted, 'snapshots that came late or twice').to.be.greaterThan(20);
    expect(total.restartsInJoint, 'restarts in a joint configuration').to.be.greaterThan(20);
  }).timeout(30_000);

  it('once all is well again there is one leader, and all members have the same log', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const disorder = new Disorder(seed);
        for (let i = 0; i < 2000; i += 1) {
          disorder.step();
        }
        const { cluster } = disorder;
        for (const [name, member] of cluster.members) {
          member.diskStalled = false;
          while (cluster.completeWrite(name)) {
            // All that was still under way.
          }
        }
        cluster.tick(100);
        expect(cluster.leaders()).to.have.length(1);
        const [leader = 'a'] = cluster.leaders();
        expect(cluster.propose(leader, 'last')).to.equal(true);
        cluster.settle();
        const { configuration } = cluster.core(leader);
        expect(configuration.outgoing.size, 'a change is brought to its end').to.equal(0);
        for (const name of membersOf(configuration)) {
          expect(cluster.commands(name), name).to.deep.equal(cluster.commands(leader));
          expect(cluster.commands(name).at(-1)).to.equal('last');
          expect(cluster.core(name).configuration).to.deep.equal(configuration);
        }
      }),
      { numRuns: 150 },
    );
  }).timeout(30_000);
});
