import { expect } from 'chai';
import { describe, it } from 'mocha';
import { type Entry, EntryKind, type HardState, type PersistEffect } from '../../src/raft/types.ts';
import { Disk } from './disk.ts';
import { EventQueue } from './event-queue.ts';
import { Prng } from './prng.ts';

function entry(index: number, term: number): Entry {
  return { index, term, kind: EntryKind.Command, payload: new Uint8Array(4) };
}

function batch(token: number, entries: Entry[], extra: Partial<PersistEffect> = {}): PersistEffect {
  const nothing = { hardState: null, snapshot: null, truncateFrom: null, sendAfterDurable: [] };
  return { token, entries, ...nothing, ...extra };
}

function createDisk(seed: number) {
  const queue = new EventQueue();
  const durable: number[] = [];
  const stored: HardState[] = [];
  const disk = new Disk({ syncMin: 5, syncMax: 5, stallRate: 0, stallMax: 0 }, queue, new Prng(seed), {
    stored: (_previous, next) => stored.push(next),
    durable: ({ token }) => durable.push(token),
  });
  return { disk, queue, durable, stored };
}

function termsOf(entries: readonly Entry[]): number[] {
  return entries.map(({ term }) => term);
}

describe('Disk', () => {
  it('reports nothing before the fsync, and what was queued meanwhile as the next group', () => {
    const { disk, queue, durable } = createDisk(1);
    disk.append(batch(1, [entry(1, 1)]));
    disk.append(batch(2, [entry(2, 1)]));
    disk.append(batch(3, [entry(3, 1)]));
    expect(disk.durable).to.deep.equal([]);
    expect(disk.written).to.have.length(3);
    queue.runNext();
    expect([queue.now, durable]).to.deep.equal([5, [1]]);
    queue.runNext();
    expect([queue.now, durable]).to.deep.equal([10, [1, 2, 3]]);
    expect(disk.pending).to.equal(0);
    expect(queue.runNext()).to.equal(false);
  });

  it('keeps a prefix of the unsynced batches in a crash, any length of it, each whole', () => {
    const survivors = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const { disk, queue, durable } = createDisk(seed);
      disk.append(batch(1, [entry(1, 1), entry(2, 1)]));
      queue.runNext();
      disk.append(batch(2, [entry(3, 1)]));
      disk.append(
        batch(3, [entry(2, 2), entry(3, 2)], { truncateFrom: 2, hardState: { term: 2, votedFor: 'm1' } }),
      );
      const outcome = disk.crash();
      expect(outcome.kept + outcome.lost).to.equal(2);
      expect(outcome.lostTruncation).to.equal(outcome.kept < 2);
      expect(disk.written).to.deep.equal(disk.durable);
      while (queue.runNext()) {
        // the fsync that was under way ends without effect
      }
      expect(durable).to.deep.equal([1]);
      survivors.add(`${termsOf(disk.durable).join('')} in term ${disk.hardState.term}`);
    }
    expect([...survivors].sort()).to.deep.equal(['11 in term 0', '111 in term 0', '122 in term 2']);
  });

  it('works on after a crash', () => {
    const { disk, queue, durable } = createDisk(2);
    disk.append(batch(1, [entry(1, 1)]));
    disk.crash();
    const next = disk.durable.length + 1;
    disk.append(batch(1, [entry(next, 3)], { hardState: { term: 3, votedFor: null } }));
    while (queue.runNext()) {
      // until all is durable
    }
    expect(durable).to.deep.equal([1]);
    expect(disk.durable.at(-1)?.term).to.equal(3);
    expect(disk.hardState.term).to.equal(3);
  });

  it('refuses a batch that leaves a gap or cuts where nothing is', () => {
    const { disk } = createDisk(3);
    expect(() => disk.append(batch(1, [entry(2, 1)]))).to.throw('gap');
    expect(() => disk.append(batch(1, [], { truncateFrom: 5 }))).to.throw('outside');
  });
});
