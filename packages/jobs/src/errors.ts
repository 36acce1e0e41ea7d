import type { Fault, FaultCode } from './model/fault.ts';
import type { RefusalCode } from './model/refusal.ts';

/**
 * Codes that the REST API answers, besides those of `model/fault.ts` (what the caller wrote is malformed) and
 * `model/refusal.ts` (the definition does not allow it):
 * - `malformed_request`: this is not HTTP as this server reads it, or its headers are too large.
 * - `too_large`: the body exceeds its bound. Send less.
 * - `body_timeout`: the body did not arrive in time. Send it again.
 * - `unsupported_encoding`: the body is compressed. Send it as it is.
 * - `invalid_query`: a query parameter has a value that it cannot have.
 * - `visibility_private`: the job is Private and the caller external. Use an internal token, or make it Public.
 * - `unknown_route`: nothing is at this path.
 * - `method_not_allowed`: the path exists; `Allow` lists its methods.
 * - `job_not_found`: no job of this name has this id, or the caller may not see it.
 * - `no_logs`: the job has no output (it has not started, or its run is gone).
 * - `queue_full`: the name's `QueueLimit` is reached. Try again later.
 * - `too_many_names`: too many unconfigured job names are in use. Try again later, or configure the name.
 * - `too_many_streams`: too many log streams are open on this member. Try again later.
 * - `unavailable`: no majority answered in time; nothing was done. Try again.
 * - `outcome_unknown`: the deadline passed while the cluster was deciding; it may or may not have been done. Look first.
 * - `deletion_pending`: the job is being ended, which takes longer than a request may. Ask again.
 * - `platform_unavailable`: the orchestrator does not answer. Try again.
 * - `internal`: a fault of this program; its log has the details under the request id.
 */
export type ProblemCode =
  | FaultCode
  | RefusalCode
  | 'malformed_request'
  | 'too_large'
  | 'body_timeout'
  | 'unsupported_encoding'
  | 'invalid_query'
  | 'visibility_private'
  | 'unknown_route'
  | 'method_not_allowed'
  | 'job_not_found'
  | 'no_logs'
  | 'queue_full'
  | 'too_many_names'
  | 'too_many_streams'
  | 'unavailable'
  | 'outcome_unknown'
  | 'deletion_pending'
  | 'platform_unavailable'
  | 'internal';

/** An answer other than success. Its HTTP status is decided in `api/problem-status.ts`. */
export class Problem extends Error {
  readonly code: ProblemCode;
  /** Everything that is wrong with the request, when more than one thing can be. */
  readonly faults: readonly Fault<string>[];
  /** Further members of the answer, PascalCase. */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(
    code: ProblemCode,
    message: string,
    options: ErrorOptions & {
      readonly faults?: readonly Fault<string>[];
      readonly facts?: Readonly<Record<string, unknown>>;
    } = {},
  ) {
    super(message, options);
    this.name = 'Problem';
    this.code = code;
    this.faults = options.faults ?? [];
    this.facts = options.facts ?? {};
  }
}

/** Codes: `port_unavailable` (the REST port cannot be bound; the message names it). */
export type ServiceErrorCode = 'port_unavailable';

/** The service cannot start. */
export class ServiceError extends Error {
  readonly code: ServiceErrorCode;

  constructor(code: ServiceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ServiceError';
    this.code = code;
  }
}
