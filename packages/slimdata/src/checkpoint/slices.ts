import { setImmediate as turn } from 'node:timers/promises';

/** Units of work between two looks at the clock; one small record is a little more than one. */
const unitsPerLook = 32;
const bytesPerUnit = 2_048;

/**
 * Cuts long work into slices, so that the event loop gets its turn every few milliseconds:
 * `if (slices.isSpent(bytes)) await slices.pause();` after each record.
 */
export class Slices {
  readonly #sliceMs: number;
  readonly #now: () => number;
  #endsAt: number;
  #units = 0;

  constructor(sliceMs: number, now: () => number) {
    this.#sliceMs = sliceMs;
    this.#now = now;
    this.#endsAt = now() + sliceMs;
  }

  /** Counts one record of `bytes`. True when the slice is used up. */
  isSpent(bytes: number): boolean {
    this.#units += 1 + bytes / bytesPerUnit;
    if (this.#units < unitsPerLook) return false;
    this.#units = 0;
    return this.#now() >= this.#endsAt;
  }

  async pause(): Promise<void> {
    await turn();
    this.resume();
  }

  /** Begins a slice after an await that gave the loop its turn anyway. */
  resume(): void {
    this.#endsAt = this.#now() + this.#sliceMs;
  }
}
