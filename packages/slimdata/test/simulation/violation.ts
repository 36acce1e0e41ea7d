/**
 * A promise of Raft that did not hold. `invariant` is a stable name; the message says who, what and where.
 */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.name = 'Violation';
    this.invariant = invariant;
  }
}
