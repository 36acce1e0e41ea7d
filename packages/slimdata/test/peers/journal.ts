/** What happened, in order, and a way to wait for more of it. A wait that never ends is ended by the test's timeout. */
export class Journal<T> {
  readonly items: T[] = [];
  private waiting: { readonly isMet: (items: readonly T[]) => boolean; readonly resolve: () => void }[] = [];

  add(item: T): void {
    this.items.push(item);
    const met = this.waiting.filter((each) => each.isMet(this.items));
    this.waiting = this.waiting.filter((each) => !met.includes(each));
    for (const each of met) {
      each.resolve();
    }
  }

  /** Resolves once the items satisfy the predicate. */
  until(isMet: (items: readonly T[]) => boolean): Promise<void> {
    if (isMet(this.items)) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.waiting.push({ isMet, resolve });
    });
  }

  /** The first item, had or to come, that satisfies the predicate. */
  async find(isWanted: (item: T) => boolean): Promise<T> {
    await this.until((items) => items.some(isWanted));
    return this.items.find(isWanted) as T;
  }
}
