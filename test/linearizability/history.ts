import type { Operation } from './model.ts';

/** What is known of a call's outcome once it is over. */
export type Outcome<Output> =
  | { readonly output: Output }
  /** It may or may not have taken effect, or may still. */
  | 'unknown'
  /** It never takes effect and told nothing: as if it had not been made. */
  | 'nothing';

/** Writes down what clients call and are answered, as they see it: times of one clock, taken outside of the members. */
export class History<Input, Output> {
  readonly #operations = new Set<Operation<Input, Output>>();

  /** Writes down a call that begins now. Returns what ends it; a call that is never ended stays unknown. */
  begin(client: string, key: string, input: Input): (outcome: Outcome<Output>) => void {
    const call = { client, key, input, invokedAt: performance.now() };
    const open = { ...call, output: undefined, returnedAt: Number.POSITIVE_INFINITY };
    this.#operations.add(open);
    return (outcome) => {
      if (outcome === 'unknown') {
        return;
      }
      this.#operations.delete(open);
      if (outcome !== 'nothing') {
        this.#operations.add({ ...call, output: outcome.output, returnedAt: performance.now() });
      }
    };
  }

  get operations(): readonly Operation<Input, Output>[] {
    return [...this.#operations];
  }

  get unknown(): number {
    return this.operations.filter(({ output }) => output === undefined).length;
  }
}
