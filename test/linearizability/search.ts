import assert from 'node:assert/strict';
import type { Model, Operation } from './model.ts';

/** `undecided`: the steps given so far did not suffice; `run` goes on where it stopped. */
export type Verdict = 'linearizable' | 'not_linearizable' | 'undecided';

interface Frame<State> {
  readonly state: State;
  /** Operation that led here; -1 at the root. */
  readonly taken: number;
  /** Operations that may take effect next. */
  readonly candidates: readonly number[];
  /** The candidate to try next. */
  next: number;
}

/**
 * Looks for one order of the operations on one object that respects real time and that the model allows: the
 * depth-first search of Wing & Gong (1993), with Lowe's memory (2017) of what was tried: the set of operations that
 * took effect and the state they led to decide everything that follows, so no such pair is entered twice.
 */
export class Search<State, Input, Output> {
  readonly #model: Model<State, Input, Output>;
  /** Those with an answer first, then those without, each in order of invocation. */
  readonly #operations: readonly Operation<Input, Output>[];
  /** Operations that must take effect: those with an answer. */
  readonly #answered: number;
  readonly #hasTakenEffect: boolean[];
  readonly #tried = new Set<string>();
  readonly #stack: Frame<State>[] = [];
  #remaining: number;
  /** All answered operations before this position took effect. */
  #low = 0;
  #deepest: readonly number[] = [];
  #steps = 0;

  constructor(model: Model<State, Input, Output>, operations: readonly Operation<Input, Output>[]) {
    for (const { output, invokedAt, returnedAt } of operations) {
      assert(
        invokedAt <= returnedAt,
        `an operation returned at ${returnedAt}, before its call at ${invokedAt}`,
      );
      assert(
        (output === undefined) === (returnedAt === Number.POSITIVE_INFINITY),
        'unknown = never returned',
      );
    }
    const byInvocation = [...operations].sort((a, b) => a.invokedAt - b.invokedAt);
    const answered = byInvocation.filter(({ output }) => output !== undefined);
    this.#model = model;
    this.#operations = [...answered, ...byInvocation.filter(({ output }) => output === undefined)];
    this.#answered = answered.length;
    this.#remaining = answered.length;
    this.#hasTakenEffect = this.#operations.map(() => false);
    this.#enter(model.initial, -1);
  }

  /** Candidates tried since the beginning. */
  get steps(): number {
    return this.#steps;
  }

  /** The longest order that was found. */
  get longestOrder(): readonly Operation<Input, Output>[] {
    this.#noteDeepest();
    return this.#deepest.map((position) => this.#operations[position] as Operation<Input, Output>);
  }

  /** Answered operations outside the longest order: among them is what nothing explains. */
  get unexplained(): readonly Operation<Input, Output>[] {
    const explained = new Set(this.longestOrder);
    return this.#operations.slice(0, this.#answered).filter((operation) => !explained.has(operation));
  }

  /** Searches on for at most `steps` more. */
  run(steps: number): Verdict {
    for (let left = steps; left > 0; left -= 1) {
      if (this.#remaining === 0) {
        return 'linearizable';
      }
      const frame = this.#stack.at(-1);
      if (frame === undefined) {
        return 'not_linearizable';
      }
      this.#advance(frame);
    }
    return this.#remaining === 0 ? 'linearizable' : 'undecided';
  }

  /** Tries the next candidate of the frame, or leaves it when there is none. */
  #advance(frame: Frame<State>): void {
    this.#steps += 1;
    const position = frame.candidates[frame.next];
    frame.next += 1;
    if (position === undefined) {
      this.#noteDeepest();
      this.#stack.pop();
      if (frame.taken !== -1) {
        this.#undo(frame.taken);
      }
      return;
    }
    const { input, output } = this.#operations[position] as Operation<Input, Output>;
    const state = this.#model.step(frame.state, input, output);
    if (state === null) {
      return;
    }
    const stateKey = this.#model.keyOf(state);
    // Nothing has to take effect without an answer; it is tried only where it makes a difference.
    if (output === undefined && stateKey === this.#model.keyOf(frame.state)) {
      return;
    }
    this.#take(position);
    const key = `${this.#takenKey()}|${stateKey}`;
    if (this.#tried.has(key)) {
      this.#undo(position);
      return;
    }
    this.#tried.add(key);
    this.#enter(state, position);
  }

  #enter(state: State, taken: number): void {
    this.#stack.push({ state, taken, candidates: this.#candidates(), next: 0 });
  }

  /** Called where the search turns back, so that it costs nothing on the way down. */
  #noteDeepest(): void {
    if (this.#stack.length - 1 > this.#deepest.length) {
      this.#deepest = this.#stack.slice(1).map((frame) => frame.taken);
    }
  }

  /** What was called before the first of the remaining answers came: each of these may be the next to take effect. */
  #candidates(): number[] {
    const candidates: number[] = [];
    let firstReturn = Number.POSITIVE_INFINITY;
    for (let position = this.#low; position < this.#answered; position += 1) {
      const { invokedAt, returnedAt } = this.#operations[position] as Operation<Input, Output>;
      if (invokedAt > firstReturn) {
        break;
      }
      if (!this.#hasTakenEffect[position]) {
        candidates.push(position);
        firstReturn = Math.min(firstReturn, returnedAt);
      }
    }
    for (let position = this.#answered; position < this.#operations.length; position += 1) {
      const { invokedAt } = this.#operations[position] as Operation<Input, Output>;
      if (invokedAt > firstReturn) {
        break;
      }
      if (!this.#hasTakenEffect[position]) {
        candidates.push(position);
      }
    }
    return candidates;
  }

  #take(position: number): void {
    this.#hasTakenEffect[position] = true;
    this.#remaining -= position < this.#answered ? 1 : 0;
    while (this.#low < this.#answered && this.#hasTakenEffect[this.#low]) {
      this.#low += 1;
    }
  }

  #undo(position: number): void {
    this.#hasTakenEffect[position] = false;
    if (position < this.#answered) {
      this.#remaining += 1;
      this.#low = Math.min(this.#low, position);
    }
  }

  /** Names the set of operations that took effect, in as many characters as are out of order. */
  #takenKey(): string {
    const beyond: number[] = [];
    let left = this.#answered - this.#remaining - this.#low;
    for (let position = this.#low; left > 0; position += 1) {
      if (this.#hasTakenEffect[position]) {
        beyond.push(position);
        left -= 1;
      }
    }
    for (let position = this.#answered; position < this.#operations.length; position += 1) {
      if (this.#hasTakenEffect[position]) {
        beyond.push(position);
      }
    }
    return `${this.#low}:${beyond.join(',')}`;
  }
}
