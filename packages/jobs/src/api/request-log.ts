import { performance } from 'node:perf_hooks';
import type { Context, Next } from 'koa';
import { createJobId } from '../model/job-id.ts';
import type { ApiParts } from './api-parts.ts';

/** One answered request. */
export interface Answer {
  readonly requestId: string;
  readonly method: string;
  /** Pattern of the matched route, e.g. `/job/:name`; null = none matched. */
  readonly route: string | null;
  readonly status: number;
  readonly durationMs: number;
}

export type OnAnswer = (answer: Answer) => void;

/** Gives every request an id, the caller's own if it is a sane one, echoes it, and tells of every answer. */
export function tellAnswers(
  { randomBytes }: Pick<ApiParts, 'randomBytes'>,
  stopping: AbortSignal,
  onAnswer: OnAnswer,
): (context: Context, next: Next) => Promise<void> {
  return async (context, next) => {
    const begun = performance.now();
    const asked = context.get('X-Request-Id');
    const requestId = /^[\w.:/+=@-]{1,128}$/.test(asked) ? asked : createJobId(randomBytes);
    context.state['requestId'] = requestId;
    context.set('X-Request-Id', requestId);
    await next();
    if (stopping.aborted || !context.req.complete) context.set('Connection', 'close');
    onAnswer({
      requestId,
      method: context.method,
      route: context['_matchedRoute'] ?? null,
      status: context.status,
      durationMs: performance.now() - begun,
    });
  };
}
