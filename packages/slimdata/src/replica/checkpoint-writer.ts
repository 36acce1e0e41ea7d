import { setTimeout as delay } from 'node:timers/promises';
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
  /** Fires when this member stops: what is under way may then be given up, nothing was promised. */
  readonly signal: AbortSignal;
  readonly onFatal: (error: Error) => void;
}

/** Writes the replica's deltas. A full disk is waited for: the log keeps what the checkpoint does not have yet. */
export class CheckpointWriter implements CheckpointPort {
  readonly #options: CheckpointWriterOptions;

  constructor(options: CheckpointWriterOptions) {
    this.#options = options;
  }

  write(delta: StateDelta, configuration: Configuration, onDurable: () => void): void {
    const { signal, onFatal } = this.#options;
    this.#write(delta, encodeConfiguration(configuration)).then(onDurable, (error: Error) => {
      if (!signal.aborted) onFatal(error);
    });
  }

  async #write(delta: StateDelta, configuration: Uint8Array): Promise<void> {
    const { checkpoint, logger, signal } = this.#options;
    for (;;) {
      try {
        const { changes, bytes } = await checkpoint.write(delta, configuration);
        logger.info({ appliedIndex: delta.appliedIndex, changes, bytes }, 'checkpoint_written');
        return;
      } catch (error) {
        if (!(error instanceof CheckpointError) || error.code !== 'disk_full') throw error;
        logger.error({ error, retryAfterMs: diskFullRestMs }, 'checkpoint_disk_full');
        await delay(diskFullRestMs, undefined, { signal });
      }
    }
  }
}
