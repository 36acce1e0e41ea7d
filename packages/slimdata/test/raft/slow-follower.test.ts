import { expect } from 'chai';
import { describe, it } from 'mocha';
import { Cluster } from './cluster.ts';
import { ELECTION_TICKS } from './core-fixture.ts';

/** Leader `a`, from which `c` was cut off while three commands were committed and all of the log was compacted. */
function clusterWithSlowC(): Cluster {
  const cluster = new Cluster(['a', 'b', 'c']);
  cluster.elect('a');
  cluster.isolate('c');
  cluster.propose('a', 'x', 'y', 'z');
  cluster.settle();
  cluster.compact('a');
  cluster.tick(ELECTION_TICKS);
  return cluster;
}

describe('slow follower', () => {
  it('a follower that was away for too long is brought up by a snapshot and then by appends', () => {
    const cluster = clusterWithSlowC();
    expect(cluster.snapshots, 'for a peer that does not answer').to.deep.equal([]);
    cluster.propose('a', 'after');
    cluster.heal();
    cluster.tick(3);
    expect(cluster.commands('c')).to.deep.equal(['x', 'y', 'z', 'after']);
    expect([cluster.core('c').base.index, cluster.leaders()]).to.deep.equal([4, ['a']]);
  });

  it('a follower within the margin that compaction leaves needs no snapshot', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.isolate('c');
    cluster.propose('a', 'x', 'y', 'z');
    cluster.settle();
    cluster.compact('a', 1);
    cluster.heal();
    cluster.tick(3);
    expect(cluster.commands('c')).to.deep.equal(['x', 'y', 'z']);
    expect(cluster.core('c').base.index).to.equal(0);
  });

  it('a snapshot that is lost on the way is sent again when the peer answers', () => {
    const cluster = clusterWithSlowC();
    cluster.snapshotsHeld = true;
    cluster.heal();
    cluster.tick(2);
    expect(cluster.snapshots).to.have.length(1);
    cluster.isolate('c');
    cluster.deliverSnapshot();
    cluster.heal();
    cluster.snapshotsHeld = false;
    cluster.tick(3);
    expect(cluster.commands('c')).to.deep.equal(['x', 'y', 'z']);
  });

  it('a snapshot that arrives after the follower has caught up otherwise is not wanted', () => {
    const cluster = clusterWithSlowC();
    cluster.snapshotsHeld = true;
    cluster.heal();
    cluster.tick(2);
    const [late] = cluster.snapshots;
    cluster.snapshotsHeld = false;
    cluster.tick(2);
    cluster.propose('a', 'more');
    cluster.settle();
    expect(late && cluster.restore(late)).to.equal('unwanted');
    expect(cluster.commands('c')).to.deep.equal(['x', 'y', 'z', 'more']);
  });

  it('after a crash between the snapshot and the reset of the log the next start resets it', () => {
    const cluster = clusterWithSlowC();
    const c = cluster.member('c');
    cluster.heal();
    cluster.snapshotsHeld = true;
    cluster.tick(2);
    c.diskStalled = true;
    cluster.deliverSnapshot();
    cluster.performAll();
    expect([c.disk.checkpoint?.index, c.disk.base.index]).to.deep.equal([4, 0]);
    cluster.crash('c');
    expect(cluster.commands('c')).to.deep.equal(['x', 'y', 'z']);
    c.diskStalled = false;
    cluster.settle();
    expect(c.disk.base.index).to.equal(4);
    cluster.propose('a', 'after');
    cluster.tick(3);
    expect(cluster.commands('c')).to.deep.equal(['x', 'y', 'z', 'after']);
  });

  it('a leader of a log that is compacted to the tip is elected and replicates from there', () => {
    const cluster = clusterWithSlowC();
    cluster.heal();
    cluster.tick(3);
    for (const name of ['a', 'b', 'c']) {
      cluster.compact(name);
      cluster.crash(name);
    }
    expect(cluster.core('b').lastIndex).to.equal(cluster.core('b').base.index);
    cluster.elect('b');
    cluster.propose('b', 'after');
    cluster.settle();
    for (const name of ['a', 'b', 'c']) {
      expect(cluster.commands(name)).to.deep.equal(['x', 'y', 'z', 'after']);
    }
  });

  it('a member that is added while it cannot be reached and the whole log is purged is not forgotten', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.join('d');
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.settle();
    cluster.isolate('d');
    expect(cluster.change('a', ['addLearner', 'd'])).to.equal('accepted');
    cluster.tick(2);
    cluster.compact('a');
    expect(cluster.core('a').lastIndex, 'nothing is left to probe with').to.equal(
      cluster.core('a').base.index,
    );
    cluster.tick(ELECTION_TICKS);
    cluster.heal();
    cluster.tick(3);
    expect(cluster.commands('d')).to.deep.equal(['x']);
    expect(cluster.core('d').role).to.equal('learner');
  });
});
