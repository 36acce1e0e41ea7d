import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Router from '@koa/router';
import Koa, { type Context, type Next } from 'koa';
import { Problem, ServiceError } from '../errors.ts';
import { quote } from '../model/fault.ts';
import type { ApiParts } from './api-parts.ts';
import { deleteJob } from './delete-job.ts';
import { getJob } from './get-job.ts';
import { getJobLogs } from './get-job-logs.ts';
import { getJobs } from './get-jobs.ts';
import { admitCaller } from './job-access.ts';
import { postJob } from './post-job.ts';
import { getHealth, getMetrics, getReady } from './probes.ts';
import { answerMalformed, answerProblems, type OnInternalError } from './problem-answer.ts';
import { type OnAnswer, tellAnswers } from './request-log.ts';

export interface ApiOptions {
  /** Address to listen on; null = all of them. */
  readonly host: string | null;
  /** 0 = any free port. */
  readonly port: number;
  readonly onInternalError: OnInternalError;
  readonly onAnswer: OnAnswer;
}

/** The REST server of one member. */
export interface Api {
  readonly port: number;
  /** No new connections; requests under way are answered, those still open after `deadlineMs` are cut. */
  close(deadlineMs: number): Promise<void>;
}

/** Listens for REST requests. @throws ServiceError `port_unavailable` */
export async function openApi(parts: ApiParts, options: ApiOptions): Promise<Api> {
  const stopping = new AbortController();
  const app = new Koa();
  // Only what fails after its answer has begun arrives here, e.g. an output that breaks off.
  app.on('error', (error: Error & { code?: string }) => {
    if (!isClientGone(error)) options.onInternalError(error, '');
  });
  app.use(tellAnswers(parts, stopping.signal, options.onAnswer));
  app.use(answerProblems(options.onInternalError));
  const router = createRouter(parts, stopping.signal);
  app.use(refuseUnroutable(router));
  app.use(router.routes());
  const server = createServer(
    { requestTimeout: 60_000, headersTimeout: 10_000, keepAliveTimeout: 30_000, maxHeaderSize: 16 * 1024 },
    app.callback(),
  );
  server.on('clientError', answerMalformed);
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    close: (deadlineMs) => close(server, stopping, deadlineMs, parts),
  };
}

function isClientGone({ code }: { readonly code?: string }): boolean {
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE';
}

function createRouter(parts: ApiParts, stopping: AbortSignal): Router {
  const router = new Router({ sensitive: true });
  const admit = admitCaller(parts);
  router.get('/health', getHealth);
  router.get('/ready', getReady(parts));
  router.get('/metrics', getMetrics(parts));
  router.get('/job/:name', admit, getJobs(parts));
  router.get('/job/:name/:id', admit, getJob(parts));
  router.delete('/job/:name/:id', admit, deleteJob(parts, stopping));
  router.get('/job/:name/:id/logs', admit, getJobLogs(parts, stopping));
  // Whatever a caller appends to the name is his own affair.
  router.post(['/job/:name', '/job/:name/*suffix'], admit, postJob(parts));
  return router;
}

/** 404 for paths that no route has, and 405 with `Allow` for methods that the path has not. */
function refuseUnroutable(router: Router): (context: Context, next: Next) => Promise<void> {
  return async (context, next) => {
    const { path, route } = router.match(context.path, context.method);
    if (path.length === 0) throw new Problem('unknown_route', `Nothing is at ${quote(context.path)}.`);
    if (!route) {
      const allowed = [...new Set(path.flatMap((layer) => layer.methods))].sort().join(', ');
      context.set('Allow', allowed);
      const message = `${context.method} is not possible at ${quote(context.path)}; it takes ${allowed}.`;
      throw new Problem('method_not_allowed', message);
    }
    await next();
  };
}

function listen(server: Server, { host, port }: ApiOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new ServiceError('port_unavailable', `REST cannot listen on port ${port}: ${cause.message}`, {
          cause,
        }),
      );
    });
    server.listen({ port, ...(host === null ? {} : { host }) }, resolve);
  });
}

async function close(
  server: Server,
  stopping: AbortController,
  deadlineMs: number,
  { clock }: ApiParts,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  stopping.abort();
  server.closeIdleConnections();
  const cancel = clock.after(deadlineMs, () => server.closeAllConnections());
  await closed;
  cancel();
}
