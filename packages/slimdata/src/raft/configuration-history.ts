import assert from 'node:assert/strict';
import type { Configuration } from './types.ts';

interface Step {
  readonly index: number;
  readonly configuration: Configuration;
}

/**
 * The configurations in the log. A configuration is in force from the moment its entry is in the log, committed
 * or not (paper §6); when the entry is removed, the one before it is in force again. So all of them are kept that
 * may still come back: those above the commit index and the one before.
 */
export class ConfigurationHistory {
  /** Ascending by index, never empty. The first one was in force at the start of what is known. */
  #steps: [Step, ...Step[]];

  /** @param index where `configuration` is known to be in force; what came before it is not asked for. */
  constructor(index: number, configuration: Configuration) {
    this.#steps = [{ index, configuration }];
  }

  /** In force now. */
  get latest(): Configuration {
    return this.#last.configuration;
  }

  /** Index of the entry that put `latest` into force, or where the history begins. */
  get latestIndex(): number {
    return this.#last.index;
  }

  /** In force at the entry `index`, which must not be before what is known. */
  at(index: number): Configuration {
    const step = this.#steps.findLast((candidate) => candidate.index <= index);
    assert(step !== undefined, `configuration at ${index} asked for; known from ${this.#steps[0].index} on`);
    return step.configuration;
  }

  /** All that are in force at the entry `index` or at a later one. */
  since(index: number): Configuration[] {
    const first = this.#steps.findLastIndex((step) => step.index <= index);
    return this.#steps.slice(Math.max(first, 0)).map(({ configuration }) => configuration);
  }

  append(index: number, configuration: Configuration): void {
    assert(index > this.latestIndex, `configuration of entry ${index} after that of ${this.latestIndex}`);
    this.#steps.push({ index, configuration });
  }

  /** The entries from `from` on are gone. */
  truncate(from: number): void {
    const [first, ...later] = this.#steps;
    assert(first.index < from, `configuration of entry ${first.index} rolled back to before ${from}`);
    this.#steps = [first, ...later.filter(({ index }) => index < from)];
  }

  /** Nothing before `index` will be asked for any more. */
  compact(index: number): void {
    const kept = this.#steps.findLastIndex((step) => step.index <= index);
    const [first, ...later] = this.#steps.slice(kept);
    if (kept > 0 && first !== undefined) {
      this.#steps = [first, ...later];
    }
  }

  /** Everything before is replaced: at `index`, `configuration` is in force. */
  reset(index: number, configuration: Configuration): void {
    this.#steps = [{ index, configuration }];
  }

  get #last(): Step {
    return this.#steps.at(-1) ?? this.#steps[0];
  }
}
