/**
 * What a correct object would do, one operation at a time: a sequential specification. States are values: `step`
 * never changes the one it is given.
 */
export interface Model<State, Input, Output> {
  readonly initial: State;
  /**
   * The state after `input` took effect and answered `output`; null when it cannot answer that in this state.
   * `output` undefined: nobody heard the answer, so whatever it was is fine.
   */
  step(state: State, input: Input, output: Output | undefined): State | null;
  /** The same text for equal states, and for those only. */
  keyOf(state: State): string;
}

/** One call that a client made. Times are of one clock; only their order counts. */
export interface Operation<Input, Output> {
  readonly client: string;
  /** The object it was made to. Objects are independent, so each is checked by itself (Herlihy & Wing, theorem 1). */
  readonly key: string;
  readonly input: Input;
  /** Undefined when the outcome is unknown: it may have taken effect, may still do so, or never does. */
  readonly output: Output | undefined;
  readonly invokedAt: number;
  /** Infinity when, and only when, the outcome is unknown. */
  readonly returnedAt: number;
}
