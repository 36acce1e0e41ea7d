import type { ProblemCode } from '../errors.ts';

interface ProblemStatus {
  readonly status: number;
  /** For `Retry-After`: when trying again is worth it. */
  readonly retryAfterSeconds?: number;
}

/** The one table that decides the HTTP status of every answer that is not a success. */
export const problemStatus: Readonly<Record<ProblemCode, ProblemStatus>> = {
  malformed_request: { status: 400 },
  malformed_json: { status: 400 },
  duplicate_key: { status: 400 },
  unknown_key: { status: 400 },
  invalid_value: { status: 400 },
  invalid_name: { status: 400 },
  invalid_cron: { status: 400 },
  invalid_query: { status: 400 },
  visibility_private: { status: 403 },
  unknown_route: { status: 404 },
  job_not_found: { status: 404 },
  no_logs: { status: 404 },
  method_not_allowed: { status: 405 },
  body_timeout: { status: 408 },
  too_large: { status: 413 },
  unsupported_encoding: { status: 415 },
  image_not_allowed: { status: 422 },
  resources_exceed_limits: { status: 422 },
  reference_not_allowed: { status: 422 },
  dependency_not_allowed: { status: 422 },
  unknown_job: { status: 422 },
  image_missing: { status: 422 },
  command_missing: { status: 422 },
  queue_full: { status: 429, retryAfterSeconds: 5 },
  too_many_names: { status: 429, retryAfterSeconds: 60 },
  too_many_streams: { status: 429, retryAfterSeconds: 5 },
  unavailable: { status: 503, retryAfterSeconds: 1 },
  outcome_unknown: { status: 503, retryAfterSeconds: 1 },
  deletion_pending: { status: 503, retryAfterSeconds: 2 },
  platform_unavailable: { status: 503, retryAfterSeconds: 2 },
  internal: { status: 500 },
};
