import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { type Checkpoint, openCheckpoint } from './checkpoint/checkpoint.ts';
import { CheckpointError } from './checkpoint/checkpoint-error.ts';
import { createDiskFileSystem } from './log/disk-file-system.ts';
import type { LogStore, RecoveredLog } from './log/log-store.ts';
import { openWriteAheadLog } from './log/write-ahead-log.ts';
import type { Logger } from './logger.ts';
import { decodeConfiguration } from './raft/configuration-codec.ts';
import type { SnapshotPosition } from './raft/types.ts';
import { StateMachine } from './state-machine/state-machine.ts';

export interface StorageOptions {
  readonly directory: string;
  readonly logger: Logger;
  readonly onFatal: (error: Error) => void;
}

/** What a member keeps on its disk: the log, and the state that the removed part of the log led to. */
export interface Storage {
  readonly log: LogStore;
  readonly recovered: RecoveredLog;
  readonly checkpoint: Checkpoint;
  /** Where the checkpoint stands; null when there is none. */
  readonly position: SnapshotPosition | null;
  /** As of `position`, or empty. */
  readonly stateMachine: StateMachine;
}

/**
 * Opens the log, which takes the lock of the directory, and the checkpoint in it.
 * @throws LogError | CheckpointError when either cannot be trusted.
 */
export async function openStorage({ directory, logger, onFatal }: StorageOptions): Promise<Storage> {
  const fileSystem = createDiskFileSystem(logger, randomBytes);
  const { log, recovered } = await openWriteAheadLog({ directory, fileSystem, logger, randomBytes, onFatal });
  try {
    const checkpoint = await openCheckpoint({ directory, logger, now: () => performance.now(), after });
    try {
      return { log, recovered, checkpoint, ...(await load(directory, recovered, checkpoint)) };
    } catch (error) {
      await checkpoint.close();
      throw error;
    }
  } catch (error) {
    await log.close();
    throw error;
  }
}

async function load(
  directory: string,
  { base }: RecoveredLog,
  checkpoint: Checkpoint,
): Promise<Pick<Storage, 'position' | 'stateMachine'>> {
  const { meta } = checkpoint;
  const reached = meta?.appliedIndex ?? 0;
  if (reached < base.index) {
    throw new CheckpointError(
      'corrupt',
      `The log in "${directory}" begins after entry ${base.index}, but the checkpoint ends at ${reached}: state is ` +
        'missing. Nothing was changed. Put the directory back as it was, or empty it and let this member rejoin.',
    );
  }
  const stateMachine = await checkpoint.load();
  if (meta === null || stateMachine === null) return { position: null, stateMachine: new StateMachine() };
  const configuration = decodeConfiguration(meta.configuration);
  return { position: { index: meta.appliedIndex, term: meta.appliedTerm, configuration }, stateMachine };
}

function after(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
}
