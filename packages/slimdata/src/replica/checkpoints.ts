import type { LogStore } from '../log/log-store.ts';
import type { RaftCore } from '../raft/raft-core.ts';
import type { Entry } from '../raft/types.ts';
import type { StateMachine } from '../state-machine/state-machine.ts';
import type { CheckpointPort, ReplicaLimits } from './ports.ts';

/**
 * Writes what applying changed to this member's disk from time to time, and lets go of the log before it, except a
 * margin for followers that lag a little. One write at a time; applying goes on meanwhile.
 */
export class Checkpoints {
  readonly #core: RaftCore;
  readonly #log: LogStore;
  readonly #port: CheckpointPort;
  readonly #limits: ReplicaLimits;
  #writtenIndex: number;
  #bytesSince = 0;
  #isWriting = false;
  #onIdle: (() => void) | null = null;

  constructor(
    core: RaftCore,
    log: LogStore,
    port: CheckpointPort,
    limits: ReplicaLimits,
    writtenIndex: number,
  ) {
    this.#core = core;
    this.#log = log;
    this.#port = port;
    this.#limits = limits;
    this.#writtenIndex = writtenIndex;
  }

  applied(entry: Entry): void {
    this.#bytesSince += entry.payload.length;
  }

  /** Begins a checkpoint if one is due. */
  run(stateMachine: StateMachine, guarded: (step: () => void) => void): void {
    const entries = stateMachine.appliedIndex - this.#writtenIndex;
    const { checkpointEntries, checkpointBytes } = this.#limits;
    if (this.#isWriting || entries === 0) return;
    if (entries < checkpointEntries && this.#bytesSince < checkpointBytes) return;
    this.#isWriting = true;
    this.#bytesSince = 0;
    const delta = stateMachine.freeze();
    const configuration = this.#core.configurationAt(delta.appliedIndex);
    this.#port.write(delta, configuration, () => guarded(() => this.#written(delta.appliedIndex)));
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
    const end = appliedIndex - this.#limits.logMarginEntries;
    if (end > this.#core.base.index) {
      this.#core.compact(end);
      this.#log.removeBefore(end);
    }
    const onIdle = this.#onIdle;
    this.#onIdle = null;
    if (onIdle === null) this.#isWriting = false;
    else onIdle();
  }
}
