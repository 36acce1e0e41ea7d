/** Random numbers that a seed repeats (mulberry32): the choices of a test, never its timing. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** Uniform in [min, max). */
  between(min: number, max: number): number {
    return min + this.fraction() * (max - min);
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) {
      throw new RangeError('cannot pick from an empty list');
    }
    return list[Math.floor(this.fraction() * list.length)] as T;
  }

  shuffled<T>(list: readonly T[]): T[] {
    const left = [...list];
    return list.map(() => left.splice(Math.floor(this.fraction() * left.length), 1)[0] as T);
  }
}

/** The seed in the environment variable `SEED`, or a fresh one; printed, so that a failure names it. */
export function chooseSeed(what: string): number {
  const given = Number(process.env['SEED']);
  const seed = Number.isSafeInteger(given) && given > 0 ? given : 1 + Math.floor(Math.random() * 0xffff_fffe);
  process.stdout.write(`      ${what}: SEED=${seed}\n`);
  return seed;
}
