import type { LogStore } from '../log/log-store.ts';
import type { RaftCore } from '../raft/raft-core.ts';
import type { Entry } from '../raft/types.ts';
import type { StateMachine } from '../state-machine/state-machine.ts';
import type { CheckpointPort, ReplicaLimits } from './ports.ts';

export interface CheckpointsOptions {
  readonly core: RaftCore;
  readonly log: LogStore;
  readonly port: CheckpointPort;
  readonly limits: ReplicaLimits;
  /** Where the checkpoint on the disk stands. */
  readonly writtenIndex: number;
}

/**
 * Writes what applying changed to this member's disk from time to time, and lets go of the log before it, except a
 * margin for followers that lag a little. One write at a time; applying goes on meanwhile.
 */
export class Checkpoints {
  readonly #options: CheckpointsOptions;
  #writtenIndex: number;
  #bytesSince = 0;
  #isWriting = false;
  #onIdle: (() => void) | null = null;

  constructor(options: CheckpointsOptions) {
    this.#options = options;
    this.#writtenIndex = options.writtenIndex;
  }

  applied(entry: Entry): void {
    this.#bytesSince += entry.payload.length;
  }

  /** Begins a checkpoint if one is due. */
  run(stateMachine: StateMachine, guarded: (step: () => void) => void): void {
    const { core, port, limits } = this.#options;
    const entries = stateMachine.appliedIndex - this.#writtenIndex;
    if (this.#isWriting || entries === 0) return;
    if (entries < limits.checkpointEntries && this.#bytesSince < limits.checkpointBytes) return;
    this.#isWriting = true;
    this.#bytesSince = 0;
    const delta = stateMachine.freeze();
    const configuration = core.configurationAt(delta.appliedIndex);
    port.write(delta, configuration, () => guarded(() => this.#written(delta.appliedIndex)));
  }

  /** Calls `onIdle` when no write is under way; none begins before `resume`. */
  pause(onIdle: () => void): void {
    if (!this.#isWriting) {
      this.#isWriting = true;
      onIdle();
      return;
    }
    this.#onIdle = onIdle;
  }

  resume(): void {
    this.#isWriting = false;
  }

  /** A snapshot took the place of the checkpoint. */
  restored(appliedIndex: number): void {
    this.#writtenIndex = appliedIndex;
    this.#bytesSince = 0;
  }

  #written(appliedIndex: number): void {
    this.#writtenIndex = appliedIndex;
    const { core, log, limits } = this.#options;
    const end = appliedIndex - limits.logMarginEntries;
    if (end > core.base.index) {
      core.compact(end);
      log.removeBefore(end);
    }
    const onIdle = this.#onIdle;
    this.#onIdle = null;
    if (onIdle === null) this.#isWriting = false;
    else onIdle();
  }
}
