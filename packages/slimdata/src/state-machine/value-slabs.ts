const slabBytes = 16_384;
const valueBytesMax = slabBytes / 8;

/**
 * Small values side by side in shared memory: one piece of memory each costs about 250 bytes more, which is more than
 * most values. A slab is held as long as any value in it, so this is for what is loaded at once, where the most that can
 * be held in vain is what was loaded; not for values that come and go one by one.
 */
export class ValueSlabs {
  #slab = Buffer.alloc(0);
  #used = 0;

  copy(value: Uint8Array): Uint8Array {
    if (value.length > valueBytesMax) return value;
    if (this.#used + value.length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(slabBytes);
      this.#used = 0;
    }
    const copy = this.#slab.subarray(this.#used, this.#used + value.length);
    copy.set(value);
    this.#used += value.length;
    return copy;
  }
}
