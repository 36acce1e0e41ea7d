import type { Context } from 'koa';
import type { ApiParts } from './api-parts.ts';

/** `GET /health`: this process answers. */
export function getHealth(context: Context): void {
  context.body = 'OK';
}

/** `GET /ready`: a leader is known, and this member holds what it has committed. */
export function getReady(parts: ApiParts): (context: Context) => Promise<void> {
  return async (context) => {
    const ready = await parts.store.readBarrier({ deadlineMs: parts.deadlines.readyMs }).then(
      () => true,
      () => false,
    );
    context.status = ready ? 200 : 503;
    context.body = ready ? 'READY' : 'NOT_READY';
  };
}

/** `GET /metrics`: Prometheus text format. */
export function getMetrics({ registry }: ApiParts): (context: Context) => Promise<void> {
  return async (context) => {
    const body = await registry.metrics();
    context.set('Content-Type', registry.contentType);
    context.body = body;
  };
}
