import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { isPresent, makeDirectory, removePath, renameDurably, syncDirectory } from './durable-directory.ts';

/** Called between steps that a crash must be able to part; tests look at, or end, the world there. */
export type Failpoint = (name: FailpointName) => Promise<void>;

export type FailpointName =
  | 'write:built'
  | 'write:durable'
  | 'receive:chunk'
  | 'receive:sealed'
  | 'receive:durable'
  | 'swap:begin'
  | 'swap:old-moved'
  | 'swap:old-moved-durably'
  | 'swap:new-moved'
  | 'swap:new-moved-durably'
  | 'swap:done'
  | 'settle:old-returned'
  | 'settle:new-removed';

/**
 * Three names in a member's directory. `checkpoint` is the one in force. A snapshot is received into `checkpoint.new`
 * and counts for nothing until it is swapped in; meanwhile the one before is called `checkpoint.old`. Whenever a crash
 * comes: if there is a `checkpoint` it is whole, and if there is none, `checkpoint.old` is.
 */
export interface CheckpointPlace {
  readonly directory: string;
  readonly current: string;
  readonly incoming: string;
  readonly outgoing: string;
}

export function checkpointPlace(directory: string): CheckpointPlace {
  const current = join(directory, 'checkpoint');
  return { directory, current, incoming: `${current}.new`, outgoing: `${current}.old` };
}

/** Puts in order what a crash left. Afterwards there is at most `checkpoint`. */
export async function settlePlace(place: CheckpointPlace, failpoint: Failpoint): Promise<void> {
  const { directory, current, incoming, outgoing } = place;
  await makeDirectory(directory);
  if (!(await isPresent(current)) && (await isPresent(outgoing))) await renameDurably(outgoing, current);
  await failpoint('settle:old-returned');
  await removePath(incoming);
  await failpoint('settle:new-removed');
  await removePath(outgoing);
}

/** Puts `checkpoint.new`, which must be whole and durable, into the place of `checkpoint`. Nobody may have either open. */
export async function swapIn(place: CheckpointPlace, failpoint: Failpoint): Promise<void> {
  const { directory, current, incoming, outgoing } = place;
  await failpoint('swap:begin');
  await removePath(outgoing);
  await rename(current, outgoing);
  await failpoint('swap:old-moved');
  await syncDirectory(directory);
  await failpoint('swap:old-moved-durably');
  await rename(incoming, current);
  await failpoint('swap:new-moved');
  await syncDirectory(directory);
  await failpoint('swap:new-moved-durably');
  await removePath(outgoing);
  await failpoint('swap:done');
}
