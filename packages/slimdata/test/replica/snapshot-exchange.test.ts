import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.ts';
import type { CheckpointMeta } from '../../src/checkpoint/checkpoint-meta.ts';
import type { SnapshotReceiver } from '../../src/checkpoint/snapshot-receiver.ts';
import type { SnapshotOffer } from '../../src/peers/snapshot.ts';
import { SnapshotExchange } from '../../src/replica/snapshot-exchange.ts';

const meta: CheckpointMeta = { appliedIndex: 9, appliedTerm: 2, configuration: new Uint8Array(0) };

/** A receiver that takes anything, and never gets as far as installing. */
const receiver: SnapshotReceiver = {
  next: 0,
  id: 'snapshot',
  meta,
  isComplete: true,
  accept: async () => 'taken',
  install: () => Promise.reject(new Error('nothing is installed while a checkpoint is being written')),
  close: async () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
};

const offer: SnapshotOffer = {
  id: 'snapshot@2',
  signal: new AbortController().signal,
  async *chunks() {
    yield { number: 0, bytes: new Uint8Array(1) };
  },
};

describe('SnapshotExchange', () => {
  it('does not hold up a member that stops while an install waits for a checkpoint', async () => {
    const stopping = new AbortController();
    let isWaiting = (): void => undefined;
    const waiting = new Promise<void>((resolve) => {
      isWaiting = resolve;
    });
    const exchange = new SnapshotExchange({
      checkpoint: { openReceiver: async () => receiver } as unknown as Checkpoint,
      target: {
        wantsSnapshot: () => true,
        // The checkpoint under way never ends: the member stopped before it could say so.
        pause: () => isWaiting(),
        resume: () => undefined,
        restore: () => undefined,
        fail: (error) => expect.fail(error.message),
      },
      send: async () => 'installed',
      signal: stopping.signal,
      logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    const received = exchange.receive('b', offer);
    await waiting;
    stopping.abort();
    expect(await received).to.deep.equal({ refused: 'this member is stopping' });
    await exchange.settled();
  });
});
