import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.ts';
import type { SnapshotChunk } from '../../src/checkpoint/snapshot-chunk.ts';
import type { SnapshotReader } from '../../src/checkpoint/snapshot-reader.ts';
import { Feed, set } from '../state-machine/feed.ts';
import { configuration, type Workplace } from './test-checkpoint.ts';

export async function opened(checkpoint: Checkpoint): Promise<SnapshotReader> {
  const reader = await checkpoint.openSnapshot();
  if (reader === null) throw new Error('there is nothing to send');
  return reader;
}

export async function chunksOf(
  reader: SnapshotReader,
  from = 0,
  count = Number.POSITIVE_INFINITY,
): Promise<SnapshotChunk[]> {
  const chunks: SnapshotChunk[] = [];
  for await (const chunk of reader.open(from)) {
    chunks.push(chunk);
    if (chunks.length === count) break;
  }
  return chunks;
}

/** What makes two lists of chunks the same. */
export const lists = (chunks: readonly SnapshotChunk[]) =>
  chunks.map(({ number, bytes }) => [number, createHash('md5').update(bytes).digest('hex')]);

export interface Sender {
  readonly feed: Feed;
  readonly checkpoint: Checkpoint;
}

/** A member with some state, and its checkpoint. */
export async function sender(place: Workplace, payloadBytes = 500, fields = 40): Promise<Sender> {
  const feed = new Feed();
  for (const hashset of ['b', 'a', '\0']) {
    feed.run(
      [],
      Array.from({ length: fields }, (_, field) => set(hashset, `${field}`, `value ${field}`)),
      2,
    );
  }
  feed.run(
    [],
    [set('a', 'large', 'x'.repeat(3_000)), { write: 'delete', hashset: 'b', field: '7' }, set('b', '7')],
    2,
  );
  feed.open();
  const checkpoint = await place.open({ directory: place.path('sender'), limits: { payloadBytes } });
  await checkpoint.write(feed.machine.freeze(), configuration);
  return { feed, checkpoint };
}

/** The chunk with something about it changed, and its checksum right again. */
export function forged({ number, bytes }: SnapshotChunk, change: (bytes: Buffer) => Buffer): SnapshotChunk {
  const copy = change(Buffer.from(bytes));
  copy.writeUInt32BE(crc32(copy.subarray(4)), 0);
  return { number, bytes: copy };
}
