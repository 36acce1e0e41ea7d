/** Who wants to be told. A listener that throws stops the member: it broke the turn it was called in. */
export class Listeners<T> {
  readonly #listeners = new Set<(event: T) => void>();

  /** Returns the function that ends it. */
  add(listener: (event: T) => void): () => void {
    const own = (event: T): void => listener(event);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  notify(event: T): void {
    for (const listener of this.#listeners) listener(event);
  }
}
