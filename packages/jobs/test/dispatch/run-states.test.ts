import { expect } from 'chai';
import { describe, it } from 'mocha';
import { RunStates } from '../../src/dispatch/run-states.ts';
import type { RunState } from '../../src/runner/runner.ts';

function state(runName: string, overrides: Partial<RunState> = {}): RunState {
  return {
    runName,
    jobId: runName,
    jobName: 'fibonacci',
    status: 'Running',
    startTimestamp: 1,
    finishTimestamp: -1,
    exitCode: null,
    reason: null,
    attempts: 1,
    ...overrides,
  };
}

describe('RunStates', () => {
  it('keeps nothing while nobody observes', () => {
    const states = new RunStates();
    states.report(state('a'));
    states.observe(() => {});
    expect(states.get('a')).to.equal(undefined);
  });

  it('passes reports on and remembers the last one', () => {
    const states = new RunStates();
    const seen: RunState[] = [];
    states.observe((report) => seen.push(report));
    states.report(state('a'));
    states.report(state('a', { status: 'Succeeded' }));
    expect(seen.map(({ status }) => status)).to.deep.equal(['Running', 'Succeeded']);
    expect(states.get('a')?.status).to.equal('Succeeded');
  });

  it('takes a listing for the whole truth, except what was reported while it was made', async () => {
    const states = new RunStates();
    states.observe(() => {});
    states.report(state('gone'));
    expect(states.listings).to.equal(0);
    await states.refresh(async () => {
      states.report(state('a', { status: 'Succeeded' }));
      states.report(state('new'));
      return [state('a'), state('b')];
    });
    expect(states.listings).to.equal(1);
    expect(states.get('gone')).to.equal(undefined);
    expect(states.get('a')?.status).to.equal('Succeeded');
    expect(states.get('b')?.status).to.equal('Running');
    expect(states.get('new')?.status).to.equal('Running');
  });

  it('counts no listing that a new observation has overtaken', async () => {
    const states = new RunStates();
    states.observe(() => {});
    await states.refresh(async () => {
      states.observe(() => {});
      return [state('a')];
    });
    expect(states.listings).to.equal(0);
    expect(states.get('a')).to.equal(undefined);
  });

  it('ends an observation only for its own observer', () => {
    const states = new RunStates();
    const endFirst = states.observe(() => {});
    const seen: RunState[] = [];
    states.observe((report) => seen.push(report));
    endFirst();
    states.report(state('a'));
    expect(seen).to.have.length(1);
  });
});
