import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { StoreError } from '@slimfaas/slimdata';
import type { Context, Next } from 'koa';
import { Problem } from '../errors.ts';
import { RunnerError } from '../runner/runner.ts';
import { problemStatus } from './problem-status.ts';

/** Told of what is this program's fault. */
export type OnInternalError = (error: unknown, requestId: string) => void;

/** Turns whatever a route throws into one `application/problem+json` (RFC 9457) answer; internals stay inside. */
export function answerProblems(
  onInternalError: OnInternalError,
): (context: Context, next: Next) => Promise<void> {
  return async (context, next) => {
    try {
      await next();
      return;
    } catch (cause) {
      const problem = toProblem(cause);
      if (problem.code === 'internal') onInternalError(cause, context.state['requestId']);
      answer(context, problem);
    }
  };
}

const problemType = 'application/problem+json';

function answer(context: Context, problem: Problem): void {
  const { status, retryAfterSeconds } = problemStatus[problem.code];
  context.status = status;
  if (retryAfterSeconds !== undefined) context.set('Retry-After', String(retryAfterSeconds));
  context.body = problemText(problem, context.state['requestId']);
  context.type = problemType;
}

function problemText({ code, message, faults, facts }: Problem, requestId?: string): string {
  const { status } = problemStatus[code];
  return JSON.stringify({
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    code,
    detail: message,
    ...(faults.length === 0 ? {} : { faults }),
    ...facts,
    ...(requestId === undefined ? {} : { requestId }),
  });
}

/** Answers what never became a request (not HTTP, headers too large or too slow), then ends the connection. */
export function answerMalformed(error: Error & { readonly code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const isLate = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const problem = isLate
    ? new Problem('body_timeout', 'The request did not arrive in time.')
    : new Problem(
        'malformed_request',
        `This is not a request that can be read (${error.code ?? 'unknown'}).`,
      );
  const { status } = problemStatus[problem.code];
  const body = problemText(problem);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    `Content-Type: ${problemType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function toProblem(cause: unknown): Problem {
  if (cause instanceof Problem) return cause;
  if (cause instanceof StoreError) return storeProblem(cause);
  if (cause instanceof RunnerError) return new Problem('platform_unavailable', cause.message, { cause });
  return new Problem('internal', 'This member failed to answer. Its log tells more under the request id.', {
    cause,
  });
}

function storeProblem(cause: StoreError): Problem {
  if (cause.code === 'too_large') {
    return new Problem('too_large', 'The job is too large for the store.', { cause });
  }
  if (cause.code === 'timeout' || cause.code === 'aborted') {
    const message =
      'The cluster did not confirm in time; it may or may not be done. Look before trying again.';
    return new Problem('outcome_unknown', message, { cause });
  }
  const message = 'No majority of the members can be reached just now; nothing was done. Try again.';
  return new Problem('unavailable', message, { cause });
}
