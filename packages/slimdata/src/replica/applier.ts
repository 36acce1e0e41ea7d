import type { Entry } from '../raft/types.ts';
import type { Outcome, StateMachine } from '../state-machine/state-machine.ts';

/** Entries between two looks at the clock. */
const entriesPerLook = 64;

/** Applies committed entries in slices, so that a long backlog (a restart) does not keep the loop from its mail. */
export class Applier {
  #stateMachine: StateMachine;
  readonly #sliceMs: number;
  readonly #now: () => number;
  #batches: (readonly Entry[])[] = [];
  /** Position in the first batch. */
  #position = 0;
  #backlog = 0;

  constructor(stateMachine: StateMachine, sliceMs: number, now: () => number) {
    this.#stateMachine = stateMachine;
    this.#sliceMs = sliceMs;
    this.#now = now;
  }

  /** Committed entries that wait. */
  get backlog(): number {
    return this.#backlog;
  }

  /** What the state already holds, through a snapshot, is passed over. */
  push(committed: readonly Entry[]): void {
    const { appliedIndex } = this.#stateMachine;
    const isKnown = (committed[0]?.index ?? appliedIndex + 1) <= appliedIndex;
    const entries = isKnown ? committed.filter(({ index }) => index > appliedIndex) : committed;
    if (entries.length === 0) return;
    this.#batches.push(entries);
    this.#backlog += entries.length;
  }

  /** Goes on with another state machine; what it holds already is not applied again. */
  replace(stateMachine: StateMachine): void {
    this.#stateMachine = stateMachine;
    const waiting: Entry[] = [];
    for (let entry = this.#take(); entry !== undefined; entry = this.#take()) waiting.push(entry);
    this.push(waiting);
  }

  /** Applies one slice, telling `applied` the outcome of each entry, in order. */
  run(applied: (outcome: Outcome, entry: Entry) => void): void {
    const endsAt = this.#now() + this.#sliceMs;
    for (let count = 1; ; count++) {
      const entry = this.#take();
      if (entry === undefined) return;
      applied(this.#stateMachine.apply(entry), entry);
      if (count % entriesPerLook === 0 && this.#now() >= endsAt) return;
    }
  }

  #take(): Entry | undefined {
    const batch = this.#batches[0];
    if (batch === undefined) return undefined;
    const entry = batch[this.#position++];
    if (this.#position === batch.length) {
      this.#batches.shift();
      this.#position = 0;
    }
    this.#backlog--;
    return entry;
  }
}
