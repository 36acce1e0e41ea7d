import { expect } from 'chai';
import type { TransportEvents } from '../../src/peers/peer-message.ts';
import type { Chunk, SnapshotOffer, SnapshotSource } from '../../src/peers/snapshot.ts';
import { Journal } from './journal.ts';
import { connectAll, openTestMember, type TestMember, type TestOptions } from './test-member.ts';

export type OnSnapshot = NonNullable<TransportEvents['onSnapshot']>;

/** A snapshot of equal chunks that tells how far it was read, and whether it was ended. */
export class TestSource implements SnapshotSource {
  readonly id: string;
  readonly opened: number[] = [];
  readonly read = new Journal<number>();
  readonly ended = new Journal<'ended'>();
  private readonly count: number;
  private readonly chunkBytes: number;

  constructor(count: number, chunkBytes = 1000, id = 'snapshot-1') {
    this.id = id;
    this.count = count;
    this.chunkBytes = chunkBytes;
  }

  bytesOf(number: number): Buffer {
    return Buffer.alloc(this.chunkBytes, number % 251);
  }

  async *open(fromChunk: number): AsyncGenerator<Chunk> {
    this.opened.push(fromChunk);
    try {
      for (let number = fromChunk; number < this.count; number += 1) {
        this.read.add(number);
        yield { number, bytes: this.bytesOf(number) };
      }
    } finally {
      this.ended.add('ended');
    }
  }
}

/** What a receiver took. Rejects when the snapshot breaks off. */
export async function takeAll(offer: SnapshotOffer, fromChunk = 0, into: Buffer[] = []): Promise<Buffer[]> {
  for await (const { number, bytes } of offer.chunks(fromChunk)) {
    expect(number).to.equal(into.length + fromChunk);
    into.push(Buffer.from(bytes));
  }
  return into;
}

export const takeIn: OnSnapshot = async (_, offer) => {
  await takeAll(offer);
  return 'installed';
};

/** Members `a`, which sends, and `b`, which receives. */
export async function openPair(
  onSnapshot: OnSnapshot | null,
  options: TestOptions = {},
): Promise<{ readonly a: TestMember; readonly b: TestMember } & AsyncDisposable> {
  const a = await openTestMember('a', options);
  const b = await openTestMember('b', { ...options, events: onSnapshot === null ? {} : { onSnapshot } });
  await connectAll([a, b]);
  return {
    a,
    b,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([a.transport.close(), b.transport.close()]);
    },
  };
}

export function send(
  from: TestMember,
  source: SnapshotSource,
  signal: AbortSignal = new AbortController().signal,
) {
  const sent = from.transport.sendSnapshot('b', source, signal);
  // A test looks at the rejection when it comes to it.
  sent.catch(() => undefined);
  return sent;
}

export async function failure(
  promise: Promise<unknown>,
): Promise<{ readonly code: string; readonly message: string }> {
  const error: unknown = await promise.then(
    (value) => new Error(`expected an error, got ${JSON.stringify(value)}`),
    (each: unknown) => each,
  );
  return error as { readonly code: string; readonly message: string };
}

/** A promise that the test settles. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
