import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { Entry } from '../../src/raft/types.ts';
import { Cluster } from './cluster.ts';

/*
 * Short random schedules: every message may be lost, doubled or late, every write slow, every member may crash
 * with what it had not written. The safety properties of paper figure 3 are looked at after every step.
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
  readonly #random: () => number;
  readonly #leaderOf = new Map<number, string>();
  /** First committed entry seen at each index, by whichever member. */
  readonly ledger: string[] = [];
  /** How far each member's commits have been compared. */
  readonly #compared = new Map<string, number>();
  #commands = 0;
  #reads = 0;
  readonly readFloor = new Map<string, number>();
  readsServed = 0;

  constructor(seed: number) {
    this.#random = createRandom(seed);
    this.names = ['a', 'b', 'c', 'd', 'e'].slice(0, 1 + this.#below(5));
    this.cluster = new Cluster(this.names, {
      random: this.#random,
      electionTicks: 3 + this.#below(6),
      maxInflight: 1 + this.#below(4),
      maxEntriesBytes: 40 + this.#below(200),
    });
    for (const member of this.cluster.members.values()) {
      member.diskStalled = true;
    }
  }

  step(): void {
    const name = this.names[this.#below(this.names.length)] ?? 'a';
    const { core } = this.cluster.member(name);
    const dice = this.#below(1000);
    if (dice < 120) {
      core.tick();
    } else if (dice < 300) {
      this.cluster.perform(name);
    } else if (dice < 500) {
      this.cluster.completeWrite(name);
    } else if (dice < 900) {
      this.#moveMessage();
    } else if (dice < 960) {
      this.#commands += 1;
      this.cluster.propose(name, `${this.#commands}`);
    } else if (dice < 985) {
      this.#reads += 1;
      this.readFloor.set(`${name}:${this.#reads}`, this.ledger.length);
      core.readIndex(this.#reads);
    } else if (dice < 990) {
      core.transferLeadership(this.names[this.#below(this.names.length)] ?? 'a');
    } else if (dice < 995) {
      core.unreachable(this.names[this.#below(this.names.length)] ?? 'a');
    } else {
      this.cluster.crash(name);
      this.#compared.set(name, 0);
    }
    this.#check(name);
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
      this.readsServed += index === -1 ? 0 : 1;
    }
  }

  #compare(name: string, at: number, entry: Entry | undefined): void {
    const text = `${entry?.index} ${entry?.term} ${Buffer.from(entry?.payload ?? []).toString()}`;
    expect(entry?.index, `"${name}" applies in order`).to.equal(at + 1);
    expect(this.ledger[at] ?? text, `entry ${at + 1} as applied by "${name}"`).to.equal(text);
    this.ledger[at] = text;
    const holders = [...this.cluster.members.values()].filter(
      ({ disk }) => disk.entries[at]?.term === entry?.term,
    );
    expect(holders.length * 2, `holders of ${text}`).to.be.greaterThan(this.names.length);
  }

  #below(end: number): number {
    return Math.floor(this.#random() * end);
  }
}

describe('disorder', () => {
  it('no schedule breaks the safety properties of figure 3, nor a read its floor', () => {
    let committed = 0;
    let reads = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const disorder = new Disorder(seed);
        for (let i = 0; i < 1500; i += 1) {
          disorder.step();
        }
        committed += disorder.ledger.length;
        reads += disorder.readsServed;
      }),
      { numRuns: 150 },
    );
    expect(committed, 'entries committed in all schedules').to.be.greaterThan(1000);
    expect(reads, 'reads served in all schedules').to.be.greaterThan(100);
  }).timeout(20_000);

  it('once all is well again there is one leader, and all have the same log', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const disorder = new Disorder(seed);
        for (let i = 0; i < 800; i += 1) {
          disorder.step();
        }
        const { cluster, names } = disorder;
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
        for (const name of names) {
          expect(cluster.commands(name)).to.deep.equal(cluster.commands(leader));
          expect(cluster.commands(name).at(-1)).to.equal('last');
        }
      }),
      { numRuns: 100 },
    );
  }).timeout(20_000);
});
