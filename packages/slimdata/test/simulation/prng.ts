/**
 * Seeded random numbers (sfc32, seeded through splitmix32). Every decision of a simulation comes from here,
 * so that one 32-bit seed replays a whole run. Integer arithmetic only: the same on every machine.
 */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    let state = seed >>> 0;
    const split = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0aaad);
      mixed ^= mixed >>> 15;
      mixed = Math.imul(mixed, 0x735a2d97);
      return mixed ^ (mixed >>> 15);
    };
    this.#a = split();
    this.#b = split();
    this.#c = split();
    for (let warmUp = 0; warmUp < 12; warmUp++) {
      this.next();
    }
  }

  /** A whole number in [0, 2^32). */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A number in [0, 1). */
  fraction(): number {
    return this.next() / 0x1_0000_0000;
  }

  /** A whole number in [min, max], both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1));
  }

  /** True with this probability. Draws nothing for 0, so that a fault that is off costs nothing. */
  chance(probability: number): boolean {
    return probability > 0 && this.fraction() < probability;
  }

  /** One element; the list must not be empty. */
  pick<T>(list: readonly T[]): T {
    const index = this.integer(0, list.length - 1);
    if (index >= list.length) {
      throw new RangeError('cannot pick from an empty list');
    }
    return list[index] as T;
  }

  /** An independent stream, so that one consumer's appetite does not shift the others' luck. */
  fork(): Prng {
    return new Prng(this.next());
  }
}
