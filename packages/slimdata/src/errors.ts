/**
 * Codes of the errors that this package throws:
 * - `unavailable`: no leader was found within the deadline; nothing was applied. Try again.
 * - `timeout`: the deadline passed after the transaction was sent; it may or may not be applied. Read, then decide.
 * - `overloaded`: too much is waiting already; nothing was applied. Try again later.
 * - `too_large`: the transaction exceeds the size bound; it can never succeed.
 * - `closed`: this member is stopping.
 * - `aborted`: the caller's signal fired; the transaction may or may not be applied.
 */
export type StoreErrorCode = 'unavailable' | 'timeout' | 'overloaded' | 'too_large' | 'closed' | 'aborted';

export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreError';
    this.code = code;
  }
}
