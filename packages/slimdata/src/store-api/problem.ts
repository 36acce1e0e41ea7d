import { type ServerResponse, STATUS_CODES } from 'node:http';
import { StoreError, type StoreErrorCode } from '../errors.ts';

/** Codes of every answer of the store API that is not a success; watches also end with one. */
export type ProblemCode =
  /** The request says something that cannot be meant; the detail says where. */
  | 'malformed_request'
  /** Not signed, or not with this cluster's secret, or without a certificate where one is asked for. */
  | 'not_authenticated'
  /** Signed for another member; the fact `member` says for which one it must be. */
  | 'other_member'
  /** Signed too long ago, or in the future: set the clocks. The fact `time` is this member's. */
  | 'request_expired'
  /** The same signed request came before. Sign it anew. */
  | 'request_repeated'
  | 'method_not_allowed'
  /** The body did not arrive within the deadline. */
  | 'body_timeout'
  /** Changes from this index on are not kept any more: read what is there, then watch from its index + 1. */
  | 'too_old'
  | 'too_large'
  | 'unsupported_media_type'
  /** A leader's answer was asked for; the fact `leader` names it, if known. */
  | 'not_leader'
  | 'overloaded'
  /** No leader confirmed it; nothing was applied. */
  | 'unavailable'
  /** This member is stopping. */
  | 'closed'
  /** No answer within the deadline; a transaction may or may not be applied. Read, then decide. */
  | 'timeout'
  /** Of a watch: its client takes less than what changes. Watch again from the last index, or read. */
  | 'slow_consumer'
  /** This member failed; its log says more. */
  | 'internal';

/** The one table that decides the status. */
const statuses: Readonly<
  Record<ProblemCode, { readonly status: number; readonly retryAfterSeconds?: number }>
> = {
  malformed_request: { status: 400 },
  not_authenticated: { status: 401 },
  other_member: { status: 401 },
  request_expired: { status: 401 },
  request_repeated: { status: 401 },
  method_not_allowed: { status: 405 },
  body_timeout: { status: 408 },
  too_old: { status: 410 },
  too_large: { status: 413 },
  unsupported_media_type: { status: 415 },
  not_leader: { status: 421 },
  overloaded: { status: 429, retryAfterSeconds: 1 },
  unavailable: { status: 503, retryAfterSeconds: 1 },
  closed: { status: 503, retryAfterSeconds: 1 },
  timeout: { status: 504 },
  slow_consumer: { status: 503 },
  internal: { status: 500 },
};

/** An answer that is not a success, thrown by whoever finds out. */
export class Problem extends Error {
  readonly code: ProblemCode;
  /** Further members of the answer. */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(
    code: ProblemCode,
    message: string,
    facts: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'Problem';
    this.code = code;
    this.facts = facts;
  }
}

const problemOfStore: Readonly<Record<StoreErrorCode, ProblemCode>> = {
  unavailable: 'unavailable',
  timeout: 'timeout',
  overloaded: 'overloaded',
  too_large: 'too_large',
  closed: 'closed',
  aborted: 'timeout',
};

/** What to answer after this was thrown. */
export function toProblem(cause: unknown): Problem {
  if (cause instanceof Problem) {
    return cause;
  }
  if (cause instanceof StoreError) {
    return new Problem(problemOfStore[cause.code], cause.message, {}, { cause });
  }
  return new Problem('internal', 'This member failed to answer. Its log says more.', {}, { cause });
}

/** Answers with `application/problem+json` (RFC 9457). */
export function answerProblem(response: ServerResponse, { code, message, facts }: Problem): void {
  const { status, retryAfterSeconds } = statuses[code];
  const body = JSON.stringify({
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    code,
    detail: message,
    ...facts,
  });
  response.writeHead(status, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    // Part of the request may not have been read.
    connection: 'close',
    ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
  });
  response.end(body);
}
