import { type Leadership, type Store, StoreError } from '@slimfaas/slimdata';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { LeaderWork } from '../../src/dispatch/leader-work.ts';
import { EventLog } from '../queue/test-store.ts';
import { ManualClock, turns } from './manual-clock.ts';

/** Leadership and barrier as the test wants them. */
function createLeadership(first: Leadership) {
  let listener: (leadership: Leadership) => void = () => {};
  const edge = {
    leadership: first,
    readBarrier: async (): Promise<void> => {},
    onLeadership(told: (leadership: Leadership) => void): () => void {
      listener = told;
      return () => {
        listener = () => {};
      };
    },
  };
  const become = (leadership: Leadership): void => {
    edge.leadership = leadership;
    listener(leadership);
  };
  return { edge, become };
}

function open(first: Leadership) {
  const { edge, become } = createLeadership(first);
  const clock = new ManualClock();
  const events = new EventLog();
  const log: string[] = [];
  const options = {
    store: edge as unknown as Store,
    work: (term: number, signal: AbortSignal) => {
      log.push(`begin ${term}`);
      return new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          log.push(`end ${term}`);
          resolve();
        });
      });
    },
    failureBackoff: { minMs: 100, maxMs: 1000 },
    barrierDeadlineMs: 1000,
    clock,
    report: events.report,
  };
  return { edge, become, clock, events, log, open: () => new LeaderWork(options) };
}

const follower = { role: 'follower', term: 1, leader: 'other' } as const;
const leads = (term: number) => ({ role: 'leader', term, leader: 'me' }) as const;

describe('LeaderWork', () => {
  it('works exactly while this member leads, once per term', async () => {
    const { become, log, open: openWork } = open(follower);
    const work = openWork();
    await turns();
    expect(log).to.deep.equal([]);
    become(leads(2));
    become(leads(2));
    await turns();
    expect(log).to.deep.equal(['begin 2']);
    become({ role: 'follower', term: 2, leader: null });
    expect(log).to.deep.equal(['begin 2', 'end 2']);
    become(leads(5));
    await turns();
    expect(log).to.deep.equal(['begin 2', 'end 2', 'begin 5']);
    await work.close(1000);
    expect(log).to.deep.equal(['begin 2', 'end 2', 'begin 5', 'end 5']);
  });

  it('begins at once for a member that leads already', async () => {
    const { log, open: openWork } = open(leads(3));
    openWork();
    await turns();
    expect(log).to.deep.equal(['begin 3']);
  });

  it('ends the work of one term before that of the next begins, when told of both', async () => {
    const { become, log, open: openWork } = open(leads(3));
    openWork();
    await turns();
    become(leads(4));
    await turns();
    expect(log).to.deep.equal(['begin 3', 'end 3', 'begin 4']);
  });

  it('begins only after a barrier, and not when the term is over by then', async () => {
    const { edge, become, log, open: openWork } = open(follower);
    let pass = (): void => {};
    edge.readBarrier = () => new Promise((resolve) => (pass = resolve));
    openWork();
    become(leads(2));
    await turns();
    expect(log).to.deep.equal([]);
    become({ role: 'follower', term: 3, leader: null });
    pass();
    await turns();
    expect(log).to.deep.equal([]);
  });

  it('tries the barrier again after a rest', async () => {
    const { edge, clock, log, events, open: openWork } = open(leads(2));
    edge.readBarrier = () => Promise.reject(new StoreError('unavailable', 'no majority'));
    openWork();
    await turns();
    clock.advance(100);
    await turns();
    edge.readBarrier = async () => {};
    clock.advance(199);
    await turns();
    expect(log).to.deep.equal([]);
    clock.advance(1);
    await turns();
    expect(log).to.deep.equal(['begin 2']);
    expect(events.of('work_failed').map(({ retryAfterMs }) => retryAfterMs)).to.deep.equal([100, 200]);
  });

  it('closes after its deadline when the work does not end', async () => {
    const { edge, clock, open: openWork } = open(leads(2));
    edge.readBarrier = () => new Promise(() => {});
    const work = openWork();
    const closing = work.close(1000);
    clock.advance(1000);
    await closing;
  });
});
