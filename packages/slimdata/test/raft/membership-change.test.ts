import { expect } from 'chai';
import { describe, it } from 'mocha';
import { createConfiguration } from '../../src/raft/configuration.ts';
import { Cluster } from './cluster.ts';
import { ELECTION_TICKS } from './core-fixture.ts';

/** Leader `a` of the given members, others waiting to join, everything committed and known. */
function clusterOf(names: string, joining = ''): Cluster {
  // Election timeouts that differ, so that votes do not split for ever.
  let drawn = 0;
  const random = () => {
    drawn += 7;
    return (drawn % 10) / 10;
  };
  const cluster = new Cluster([...names], { random });
  cluster.join(...joining);
  cluster.elect('a');
  cluster.tick(1);
  return cluster;
}

function votersOf(cluster: Cluster, name: string): string {
  const { voters, outgoing } = cluster.core(name).configuration;
  return [...voters].sort().join('') + (outgoing.size > 0 ? `&${[...outgoing].sort().join('')}` : '');
}

/** Loses what goes over one of the given links, e.g. `ab`. */
function cut(cluster: Cluster, ...links: string[]): void {
  cluster.lose = ({ from, to }) => links.includes(from + to) || links.includes(to + from);
}

/** `a` does not come to know that others have the change, the entry 2. */
function loseAcknowledgements(cluster: Cluster): void {
  cluster.lose = ({ to, message }) =>
    to === 'a' && message.type === 'AppendEntriesResponse' && message.matchIndex >= 2;
}

describe('change of membership', () => {
  it('a cluster of one grows to three and shrinks to one again', () => {
    const cluster = clusterOf('a', 'bc');
    cluster.propose('a', 'x');
    expect(cluster.change('a', ['addVoter', 'b'], ['addVoter', 'c'])).to.equal('accepted');
    cluster.tick(1);
    for (const name of 'abc') {
      expect([votersOf(cluster, name), cluster.commands(name)]).to.deep.equal(['abc', ['x']]);
    }
    expect(cluster.change('a', ['remove', 'b'], ['remove', 'c'])).to.equal('accepted');
    cluster.tick(1);
    expect(votersOf(cluster, 'a')).to.equal('a');
    cluster.isolate('a');
    cluster.propose('a', 'alone');
    cluster.tick(ELECTION_TICKS * 2, ['a']);
    expect(cluster.commands('a')).to.deep.equal(['x', 'alone']);
  });

  it('all members are replaced in one change, and the new ones go on without the old', () => {
    const cluster = clusterOf('abc', 'def');
    cluster.propose('a', 'x');
    const all = [...'abc'].map((name) => ['remove', name] as const);
    cluster.change('a', ...all, ['addVoter', 'd'], ['addVoter', 'e'], ['addVoter', 'f']);
    cluster.tick(1);
    const [leader = '?'] = cluster.leaders();
    expect(leader, 'handed over, without waiting for an election timeout').to.be.oneOf(['d', 'e', 'f']);
    cluster.isolate('a', 'b', 'c');
    cluster.propose(leader, 'y');
    cluster.tick(3 * ELECTION_TICKS);
    expect(cluster.leaders()).to.deep.equal([leader]);
    for (const name of 'def') {
      expect(cluster.commands(name)).to.deep.equal(['x', 'y']);
    }
  });

  it('a learner follows, is promoted when it has caught up, and then counts', () => {
    const cluster = clusterOf('ab', 'c');
    cluster.change('a', ['addLearner', 'c']);
    cluster.tick(1);
    expect(cluster.core('c').role).to.equal('learner');
    expect(cluster.core('a').peers.find(({ member }) => member === 'c')?.match).to.equal(3);
    cluster.change('a', ['addVoter', 'c']);
    cluster.tick(1);
    expect([cluster.core('c').role, votersOf(cluster, 'c')]).to.deep.equal(['follower', 'abc']);
    cluster.isolate('b');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.commands('c')).to.deep.equal(['x']);
  });

  it('thesis figure 4.2: from three to five at no time are there two majorities apart from each other', () => {
    const cluster = clusterOf('abc', 'de');
    // c, d and e learn of the change, a majority of the new; a and b, a majority of the old, do not.
    cluster.elect('c');
    cluster.lose = ({ to }) => to === 'a' || to === 'b';
    cluster.change('c', ['addVoter', 'd'], ['addVoter', 'e']);
    cluster.settle();
    expect(['c', 'd', 'e'].map((name) => votersOf(cluster, name))).to.deep.equal(Array(3).fill('abcde&abc'));
    expect(cluster.core('c').commitIndex, 'not by the new majority alone').to.be.below(
      cluster.core('c').configurationIndex,
    );
    cluster.isolate('a', 'b');
    cluster.tick(3 * ELECTION_TICKS);
    expect(cluster.leaders(), 'of a and b by the old rules; not of c, d and e').to.have.length(1);
    expect(cluster.leaders()[0]).to.be.oneOf(['a', 'b']);
  });

  it('the single-server bug of 2015: changes of two leaders in successive terms never commit apart', () => {
    const cluster = clusterOf('abcd', 'e');
    // a puts the addition of e into its own log and into no other's.
    cluster.isolate('a', 'e');
    cluster.change('a', ['addVoter', 'e']);
    cluster.settle();
    expect(votersOf(cluster, 'e')).to.equal('abcde&abcd');
    // b is elected by b, c and d, and removes a.
    cluster.tick(2 * ELECTION_TICKS, ['b', 'c', 'd']);
    const [leader = '?'] = cluster.leaders().filter((name) => name !== 'a');
    expect(cluster.change(leader, ['remove', 'a'])).to.equal('accepted');
    cluster.settle();
    expect(votersOf(cluster, leader)).to.equal('bcd');
    const committed = cluster.core(leader).commitIndex;
    // a, e and one of the others would be a majority of a's configuration.
    cluster.heal();
    cut(cluster, `a${leader}`, `e${leader}`);
    cluster.tick(4 * ELECTION_TICKS, ['a', 'e', 'c', 'd', 'b']);
    cluster.heal();
    cluster.tick(4 * ELECTION_TICKS);
    const [now = '?'] = cluster.leaders();
    expect(now).to.be.oneOf(['b', 'c', 'd']);
    expect([votersOf(cluster, now), cluster.core(now).commitIndex >= committed]).to.deep.equal(['bcd', true]);
  });

  it('thesis figure 4.6: a leader whose removal only it knows of may be needed to complete it', () => {
    const cluster = clusterOf('ab');
    cluster.change('a', ['remove', 'a']);
    cluster.lose = ({ from, message }) =>
      from === 'a' && message.type === 'AppendEntries' && message.entries.some(({ index }) => index === 3);
    cluster.settle();
    expect([votersOf(cluster, 'a'), votersOf(cluster, 'b')]).to.deep.equal(['b', 'b&ab']);
    cluster.crash('a');
    cluster.heal();
    cluster.tick(3 * ELECTION_TICKS);
    expect(cluster.leaders()).to.deep.equal(['b']);
    expect([
      votersOf(cluster, 'b'),
      cluster.core('b').configurationIndex <= cluster.core('b').commitIndex,
    ]).to.deep.equal(['b', true]);
  });

  it('a change that reached nobody else is undone when another leads, and can be asked for anew', () => {
    const cluster = clusterOf('abc', 'd');
    cluster.isolate('a');
    cluster.change('a', ['addVoter', 'd']);
    cluster.settle();
    cluster.tick(2 * ELECTION_TICKS, ['b', 'c']);
    cluster.heal();
    cluster.tick(2);
    expect(votersOf(cluster, 'a')).to.equal('abc');
    expect(cluster.member('a').configurations.map(({ voters }) => voters.size)).to.deep.equal([4, 3]);
    const [leader = '?'] = cluster.leaders();
    expect(cluster.change(leader, ['addVoter', 'd'])).to.equal('accepted');
    cluster.tick(1);
    expect(votersOf(cluster, 'a')).to.equal('abcd');
  });

  it('a new leader completes the change that it finds in its log', () => {
    const cluster = clusterOf('abc', 'd');
    loseAcknowledgements(cluster);
    cluster.change('a', ['addVoter', 'd']);
    cluster.settle();
    expect(votersOf(cluster, 'b')).to.equal('abcd&abc');
    cluster.isolate('a');
    cluster.tick(2 * ELECTION_TICKS, ['b', 'c', 'd']);
    expect(cluster.leaders().filter((name) => name !== 'a')).to.have.length(1);
    for (const name of 'bcd') {
      expect(votersOf(cluster, name)).to.equal('abcd');
    }
  });

  it('all restart in the joint configuration and complete the change', () => {
    const cluster = clusterOf('abc', 'd');
    loseAcknowledgements(cluster);
    cluster.change('a', ['addVoter', 'd'], ['remove', 'b']);
    cluster.settle();
    for (const name of 'abcd') {
      cluster.crash(name);
      expect(votersOf(cluster, name)).to.equal('acd&abc');
    }
    cluster.heal();
    cluster.tick(3 * ELECTION_TICKS);
    for (const name of 'acd') {
      expect(votersOf(cluster, name)).to.equal('acd');
    }
  });

  it('a member that was promoted without knowing votes, and its vote decides', () => {
    const cluster = clusterOf('abc', 'd');
    cluster.change('a', ['addLearner', 'd']);
    cluster.tick(1);
    cluster.isolate('d');
    cluster.change('a', ['addVoter', 'd']);
    cluster.tick(1);
    expect([votersOf(cluster, 'b'), cluster.core('d').role]).to.deep.equal(['abcd', 'learner']);
    // a is gone, so of four voters b, c and d must agree.
    cluster.isolate('a');
    cluster.tick(3 * ELECTION_TICKS, ['b', 'c', 'd']);
    expect(cluster.leaders().filter((name) => name !== 'a')).to.have.length(1);
  });

  it('a member that never learned of its removal does not disturb the others', () => {
    const cluster = clusterOf('abcd');
    cluster.isolate('d');
    cluster.change('a', ['remove', 'd']);
    cluster.tick(1);
    cluster.heal();
    cluster.tick(5 * ELECTION_TICKS);
    expect([cluster.leaders(), cluster.core('a').term]).to.deep.equal([['a'], 1]);
    expect(cluster.core('d').term).to.equal(1);
  });

  it('a member that was away during a change gets the configuration with the snapshot', () => {
    const cluster = clusterOf('abc', 'd');
    cluster.isolate('c');
    cluster.change('a', ['addVoter', 'd']);
    cluster.tick(1);
    cluster.compact('a');
    cluster.heal();
    cluster.tick(3);
    expect([votersOf(cluster, 'c'), cluster.core('c').base.index]).to.deep.equal(['abcd', 3]);
    expect(cluster.member('c').configurations).to.deep.equal([createConfiguration(['a', 'b', 'c', 'd'])]);
    cluster.crash('c');
    expect(votersOf(cluster, 'c')).to.equal('abcd');
  });

  it('a snapshot of a joint configuration is followed by the end of the change', () => {
    const cluster = clusterOf('abc', 'd');
    cluster.isolate('c');
    cluster.lose = ({ from, to, message }) =>
      from === 'c' ||
      to === 'c' ||
      (message.type === 'AppendEntries' && message.entries.some((e) => e.index === 3));
    cluster.change('a', ['addVoter', 'd']);
    cluster.tick(1);
    cluster.compact('a');
    expect([...(cluster.member('a').disk.checkpoint?.configuration.outgoing ?? [])]).to.deep.equal([
      'a',
      'b',
      'c',
    ]);
    cluster.heal();
    cluster.tick(3);
    expect(cluster.member('c').configurations.map(({ outgoing }) => outgoing.size)).to.deep.equal([3, 0]);
    expect(votersOf(cluster, 'c')).to.equal('abcd');
  });
});
