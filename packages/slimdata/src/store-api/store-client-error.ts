import type { ProblemCode } from './problem.ts';

/**
 * Codes besides those that members answer with (see `ProblemCode`):
 * - `unreachable`: no answer came, or what came was none; a transaction may or may not be applied.
 * - `aborted`: the caller's signal fired; a transaction may or may not be applied.
 */
export type StoreClientErrorCode = ProblemCode | 'unreachable' | 'aborted';

/** A request to the store API without a result. */
export class StoreClientError extends Error {
  readonly code: StoreClientErrorCode;
  /** Further members of the answer, e.g. `oldestIndex` of `too_old`. */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(
    code: StoreClientErrorCode,
    message: string,
    facts: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'StoreClientError';
    this.code = code;
    this.facts = facts;
  }
}
