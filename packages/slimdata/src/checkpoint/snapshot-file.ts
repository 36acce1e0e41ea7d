import { createReadStream, createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { CheckpointMeta } from './checkpoint-meta.ts';
import { removePath, syncDirectory } from './durable-directory.ts';
import { chunkBytesMax } from './snapshot-chunk.ts';
import type { SnapshotReader } from './snapshot-reader.ts';
import type { SnapshotReceiver } from './snapshot-receiver.ts';
import { invalid } from './snapshot-writer.ts';

const lengthBytes = 4;

/**
 * Saves a snapshot as one file: its chunks, each behind its length. The file is there whole and durable, or not at all;
 * one of that name is replaced.
 */
export async function exportSnapshot(reader: SnapshotReader, path: string): Promise<void> {
  const partial = `${path}.partial`;
  try {
    await pipeline(fileBytes(reader), createWriteStream(partial, { flush: true }));
    await rename(partial, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await removePath(partial);
    throw error;
  }
}

async function* fileBytes(reader: SnapshotReader): AsyncGenerator<Buffer> {
  for await (const { bytes } of reader.open(0)) {
    const length = Buffer.alloc(lengthBytes);
    length.writeUInt32BE(bytes.length);
    yield length;
    yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

/**
 * Reads a file of `exportSnapshot` and installs it.
 * @throws CheckpointError `snapshot_invalid` when it is cut, damaged or no such file; nothing was changed then.
 */
export async function importSnapshot(receiver: SnapshotReceiver, path: string): Promise<CheckpointMeta> {
  const name = basename(path);
  for await (const chunk of chunksOf(createReadStream(path), name)) {
    const answer = await receiver.accept(chunk);
    if (answer !== 'taken')
      throw invalid(`file "${name}" is damaged at its chunk ${receiver.next} (${answer})`);
  }
  if (!receiver.isComplete) throw invalid(`file "${name}" is cut within or after chunk ${receiver.next}`);
  return receiver.install();
}

async function* chunksOf(stream: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  for await (const bytes of stream) {
    rest = Buffer.concat([rest, bytes]);
    for (;;) {
      if (rest.length < lengthBytes) break;
      const size = rest.readUInt32BE(0);
      if (size > chunkBytesMax) throw invalid(`file "${name}" is no snapshot, or damaged`);
      if (rest.length < lengthBytes + size) break;
      yield rest.subarray(lengthBytes, lengthBytes + size);
      rest = rest.subarray(lengthBytes + size);
    }
  }
  if (rest.length > 0) throw invalid(`file "${name}" is cut within a chunk`);
}
