import type { After } from '../../src/log/segment-supply.ts';

/** Time that passes when told. */
export class ManualTimer {
  #waiting: { readonly delayMs: number; readonly run: () => void }[] = [];

  /** Delays of what waits. */
  get delays(): number[] {
    return this.#waiting.map(({ delayMs }) => delayMs);
  }

  readonly after: After = (delayMs, run) => {
    const waiting = { delayMs, run };
    this.#waiting.push(waiting);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
    };
  };

  /** Runs all that waits. */
  fire(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { run } of waiting) run();
  }
}
