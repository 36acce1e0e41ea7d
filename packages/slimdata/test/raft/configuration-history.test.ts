import { expect } from 'chai';
import { describe, it } from 'mocha';
import { createConfiguration } from '../../src/raft/configuration.ts';
import { ConfigurationHistory } from '../../src/raft/configuration-history.ts';

const [first, second, third] = ['a', 'b', 'c'].map((name) => createConfiguration([name]));

function threeSteps(): ConfigurationHistory {
  const history = new ConfigurationHistory(5, first ?? createConfiguration([]));
  history.append(8, second ?? createConfiguration([]));
  history.append(9, third ?? createConfiguration([]));
  return history;
}

describe('configuration-history', () => {
  it('knows what was in force at every index from its beginning on', () => {
    const history = threeSteps();
    expect([5, 7, 8, 9, 100].map((index) => history.at(index))).to.deep.equal([
      first,
      first,
      second,
      third,
      third,
    ]);
    expect(history.latest).to.equal(third);
    expect(history.latestIndex).to.equal(9);
    expect(() => history.at(4)).to.throw('known from 5 on');
  });

  it('goes back to the one before when an entry is removed', () => {
    const history = threeSteps();
    history.truncate(10);
    expect(history.latest).to.equal(third);
    history.truncate(9);
    expect(history.latest).to.equal(second);
    history.truncate(6);
    expect([history.latest, history.latestIndex]).to.deep.equal([first, 5]);
    expect(() => history.truncate(5)).to.throw('rolled back to before 5');
  });

  it('lists those that may still be in force for somebody who knows commits up to an index', () => {
    const history = threeSteps();
    expect(history.since(7)).to.deep.equal([first, second, third]);
    expect(history.since(8)).to.deep.equal([second, third]);
    expect(history.since(9)).to.deep.equal([third]);
  });

  it('forgets what compaction has passed, and keeps what is in force there', () => {
    const history = threeSteps();
    history.compact(7);
    expect(history.at(5)).to.equal(first);
    history.compact(8);
    expect(history.at(8)).to.equal(second);
    expect(() => history.at(7)).to.throw('known from 8 on');
    history.compact(100);
    expect([history.latest, history.latestIndex]).to.deep.equal([third, 9]);
  });

  it('takes entries in order only', () => {
    expect(() => threeSteps().append(9, createConfiguration(['d']))).to.throw('entry 9 after that of 9');
  });
});
