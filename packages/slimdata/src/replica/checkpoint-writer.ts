import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { CheckpointError } from '../checkpoint/checkpoint-error.ts';
import type { Logger } from '../logger.ts';
import { encodeConfiguration } from '../raft/configuration-codec.ts';
import type { Configuration } from '../raft/types.ts';
import type { StateDelta } from '../state-machine/stored-state.ts';
import type { CheckpointPort } from './ports.ts';

/** Rest before a checkpoint that found the disk full is tried again. */
const diskFullRestMs = 5_000;

export interface CheckpointWriterOptions {
  readonly checkpoint: Checkpoint;
  readonly logger: Logger;
  /** Resolves after a while, or rejects when this member stops. */
  readonly rest: (ms: number) => Promise<void>;
  readonly onFatal: (error: Error) => void;
}

/** Writes the replica's deltas. A full disk is waited for: the log keeps what the checkpoint does not have yet. */
export class CheckpointWriter implements CheckpointPort {
  readonly #options: CheckpointWriterOptions;
  #closed = false;

  constructor(options: CheckpointWriterOptions) {
    this.#options = options;
  }

  write(delta: StateDelta, configuration: Configuration, onDurable: () => void): void {
    this.#write(delta, encodeConfiguration(configuration)).then(onDurable, (error: Error) => {
      if (!this.#closed) this.#options.onFatal(error);
    });
  }

  /** What is under way may be given up: nothing was promised. */
  close(): void {
    this.#closed = true;
  }

  async #write(delta: StateDelta, configuration: Uint8Array): Promise<void> {
    const { checkpoint, logger, rest } = this.#options;
    for (;;) {
      try {
        const { changes, bytes } = await checkpoint.write(delta, configuration);
        logger.info({ appliedIndex: delta.appliedIndex, changes, bytes }, 'checkpoint_written');
        return;
      } catch (error) {
        if (!(error instanceof CheckpointError) || error.code !== 'disk_full') throw error;
        logger.error({ error, retryAfterMs: diskFullRestMs }, 'checkpoint_disk_full');
        await rest(diskFullRestMs);
      }
    }
  }
}
