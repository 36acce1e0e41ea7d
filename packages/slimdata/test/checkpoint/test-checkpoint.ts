import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type Checkpoint, type CheckpointOptions, openCheckpoint } from '../../src/checkpoint/checkpoint.ts';
import { encodeStateRecord } from '../../src/checkpoint/record-codec.ts';
import { StateDigest } from '../../src/checkpoint/state-digest.ts';
import type { Logger } from '../../src/logger.ts';
import type { Entry } from '../../src/raft/types.ts';
import { StateMachine } from '../../src/state-machine/state-machine.ts';

const silent: Logger = { info: () => {}, warn: () => {}, error: () => {} };

/** A configuration as its owner might encode it. */
export const configuration = Buffer.from('{"voters":["a","b","c"]}');

/** Directories that are removed, and checkpoints that are closed, when the test ends. */
export class Workplace implements AsyncDisposable {
  readonly directory: string;
  readonly #checkpoints = new Set<Checkpoint>();
  #copies = 0;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<Workplace> {
    return new Workplace(await mkdtemp(join(tmpdir(), 'checkpoint-')));
  }

  path(member = 'member'): string {
    return join(this.directory, member);
  }

  async open(given: Partial<CheckpointOptions> = {}): Promise<Checkpoint> {
    const checkpoint = await openCheckpoint({
      directory: this.path(),
      logger: silent,
      now: () => performance.now(),
      after: (delayMs, run) => {
        const timer = setTimeout(run, delayMs);
        return () => clearTimeout(timer);
      },
      ...given,
    });
    this.#checkpoints.add(checkpoint);
    return checkpoint;
  }

  /** A member's directory as a crash at this very moment would leave it. */
  async copy(member = 'member'): Promise<string> {
    const path = join(this.directory, `copy-${++this.#copies}`);
    await cp(this.path(member), path, { recursive: true });
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const checkpoint of this.#checkpoints) await checkpoint.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** What a member makes of the same entries without any checkpoint. */
export function replay(entries: readonly Entry[], upTo = entries.length): StateMachine {
  const machine = new StateMachine();
  for (const entry of entries.slice(0, upTo)) machine.apply(entry);
  return machine;
}

/** The digest a checkpoint must have after these entries, however it came by it. Covers sessions and all orders. */
export function digestAfter(entries: readonly Entry[], upTo = entries.length): string {
  const digest = new StateDigest();
  for (const { after } of replay(entries, upTo).freeze().changes()) {
    if (after !== null) digest.add(encodeStateRecord(after));
  }
  return digest.sum().toString('hex');
}

export async function loaded(checkpoint: Checkpoint): Promise<StateMachine> {
  const machine = await checkpoint.load();
  if (machine === null) throw new Error('the checkpoint is empty');
  return machine;
}

/** The error that `run` rejects with. */
export async function failureOf(run: Promise<unknown>): Promise<Error & { readonly code?: string }> {
  try {
    await run;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('it did not fail');
}
