import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Logger } from '../logger.ts';
import { certificateOf } from '../peers/certificate.ts';
import { BASE_PATH } from '../peers/handshake.ts';
import { systemTimers, type Timers } from '../peers/timers.ts';
import { ChangeFeed } from './change-feed.ts';
import { parseCount } from './json-value.ts';
import { type StoreApiLimits, storeApiLimits } from './limits.ts';
import { answerProblem, Problem, toProblem } from './problem.ts';
import { parseReadBody, parseReadQuery, type ReadAnswer, type ReadRequest, readState } from './read.ts';
import { readRequestBody } from './request-body.ts';
import { digestOf } from './signature.ts';
import { SignatureCheck } from './signature-check.ts';
import type { StoreService } from './store-service.ts';
import { parseTransaction } from './transaction-json.ts';

export interface StoreApiOptions {
  readonly service: StoreService;
  /** Requests must be signed with it; null = they need not be. */
  readonly clusterSecret: string | null;
  /** Unix milliseconds, for signatures. */
  readonly now: () => number;
  readonly logger: Logger;
  readonly timers?: Timers;
  readonly limits?: Partial<StoreApiLimits>;
}

/** The part of a deadline that the store gets; the rest is for saying what came of it. */
const STORE_SHARE = 0.9;

/** One request that is being answered. */
interface Call {
  readonly query: URLSearchParams;
  readonly deadlineMs: number;
  /** Fires when the deadline has passed or the client is gone. */
  readonly signal: AbortSignal;
  /** The body; empty when none was asked for. */
  readonly json: Buffer;
}

interface Deadline {
  readonly deadlineMs: number;
  readonly response: ServerResponse;
  /** True once the whole request is here. */
  readonly isRead: () => boolean;
}

interface Route {
  readonly methods: readonly string[];
  readonly answer: (call: Call, method: string) => Promise<object>;
}

/**
 * The store over HTTP, for tools and tests: `POST transact`, `GET|POST read`, `GET status` and `GET watch` below
 * `/slimdata/v1/`. Every request is answered within its deadline (`?deadlineMs=`, 10 s unless told).
 */
export class StoreApi {
  private readonly options: StoreApiOptions;
  private readonly limits: StoreApiLimits;
  private readonly timers: Timers;
  private readonly signatures: SignatureCheck | null;
  private readonly feed: ChangeFeed;
  private readonly routes: ReadonlyMap<string, Route>;
  private underWay = 0;
  private closed = false;

  constructor(options: StoreApiOptions) {
    const { service, clusterSecret: secret, now, logger, timers = systemTimers } = options;
    const { member } = service;
    this.options = options;
    this.limits = { ...storeApiLimits, ...options.limits };
    this.timers = timers;
    this.signatures =
      secret === null ? null : new SignatureCheck({ secret, member, now, limits: this.limits });
    this.feed = new ChangeFeed({ service, limits: this.limits, timers, logger });
    this.routes = new Map<string, Route>([
      [`${BASE_PATH}transact`, { methods: ['POST'], answer: (call) => this.transact(call) }],
      [`${BASE_PATH}read`, { methods: ['GET', 'POST'], answer: (call, method) => this.read(call, method) }],
      [`${BASE_PATH}status`, { methods: ['GET'], answer: async () => this.status() }],
    ]);
  }

  /** Answers a request, now or later. False = it is not for the store; nothing was done. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const [path = '', query = ''] = splitTarget(request.url ?? '');
    const route = this.routes.get(path);
    if (path === WATCH_PATH) {
      this.respond(response, async () => this.watch(request, response, new URLSearchParams(query)));
      return true;
    }
    if (route === undefined) {
      return false;
    }
    this.respond(response, async () => {
      const body = JSON.stringify(await this.run(request, response, route, new URLSearchParams(query)));
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'cache-control': 'no-store',
      });
      response.end(body);
    });
    return true;
  }

  /** Ends every watch with its reason, and refuses what comes from now on. Requests under way go on. */
  close(): void {
    this.closed = true;
    this.feed.close();
  }

  /** The one place where a failure becomes an answer. */
  private respond(response: ServerResponse, work: () => Promise<void>): void {
    // A client that is gone shows by the end of its response; what it would have been told is of no use.
    response.on('error', () => undefined);
    work().catch((cause: unknown) => {
      const problem = toProblem(cause);
      if (problem.code === 'internal') {
        const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
        this.options.logger.error({ reason }, 'store_request_failed');
      }
      if (response.headersSent) {
        response.destroy();
      } else {
        answerProblem(response, problem);
      }
    });
  }

  private async run(
    request: IncomingMessage,
    response: ServerResponse,
    route: Route,
    query: URLSearchParams,
  ): Promise<object> {
    const method = request.method ?? '';
    const digest = this.admit(request, response, route.methods);
    if (this.underWay >= this.limits.requestsMax) {
      throw new Problem('overloaded', `${this.underWay} requests are being answered already.`);
    }
    const deadlineMs = this.parseDeadline(query.get('deadlineMs'));
    this.underWay += 1;
    try {
      let body: Buffer | null = null;
      const isRead = () => body !== null;
      return await this.within({ deadlineMs, response, isRead }, async (signal) => {
        body = checkDigest(await readRequestBody(request, this.limits.bodyBytesMax, signal), digest);
        const json = method === 'GET' ? NO_BODY : asJson(request, body);
        return await route.answer({ query, deadlineMs, signal, json }, method);
      });
    } finally {
      this.underWay -= 1;
    }
  }

  /** Who asks, and whether it may be asked. Returns the digest that the body must have; null = any. */
  private admit(
    request: IncomingMessage,
    response: ServerResponse,
    methods: readonly string[],
  ): string | null {
    if (this.closed) {
      throw new Problem('closed', `Member "${this.options.service.member}" is stopping.`);
    }
    const { method = '', socket } = request;
    if (!methods.includes(method)) {
      response.setHeader('allow', methods.join(', '));
      throw new Problem('method_not_allowed', `"${method}" means nothing here.`);
    }
    if (socket instanceof TLSSocket && certificateOf(socket) === undefined) {
      throw new Problem('not_authenticated', 'A client certificate of the cluster’s authority is asked for.');
    }
    return this.signatures?.check(request) ?? null;
  }

  private parseDeadline(text: string | null): number {
    const { deadlineMs, deadlineMsMax } = this.limits;
    return text === null ? deadlineMs : Math.min(Math.max(parseCount('deadlineMs', text), 1), deadlineMsMax);
  }

  /** Settles with the work or at the deadline, whichever comes first; the work learns by its signal. */
  private async within<T>(
    { deadlineMs, response, isRead }: Deadline,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const over = new AbortController();
    const onGone = (): void => over.abort('the client is gone');
    response.on('close', onGone);
    let cancel: () => void = () => undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = this.timers.after(deadlineMs, () => {
        const problem = isRead()
          ? new Problem(
              'timeout',
              `No answer within ${deadlineMs} ms; a transaction may or may not be applied.`,
            )
          : new Problem('body_timeout', `The body did not arrive within ${deadlineMs} ms.`);
        reject(problem);
        over.abort(problem.message);
      });
    });
    try {
      return await Promise.race([work(over.signal), late]);
    } finally {
      cancel();
      response.off('close', onGone);
    }
  }

  private async transact({ json, deadlineMs, signal }: Call): Promise<object> {
    const transaction = parseTransaction(json);
    return await this.options.service.transact(transaction, shareOf(deadlineMs, signal));
  }

  private async read({ query, json, deadlineMs, signal }: Call, method: string): Promise<ReadAnswer> {
    const { service } = this.options;
    const { limits } = this;
    const request: ReadRequest =
      method === 'GET' ? parseReadQuery(query, limits) : parseReadBody(json, limits);
    if (request.consistency === 'linearizable') {
      await service.readBarrier(shareOf(deadlineMs, signal));
    }
    const { role, leader } = service.leadership;
    if (request.consistency === 'leader' && role !== 'leader') {
      throw new Problem('not_leader', `Member "${service.member}" is not the leader.`, { leader });
    }
    return readState(service.view, request, limits);
  }

  private status(): object {
    const { service } = this.options;
    const { role, term, leader } = service.leadership;
    const { appliedIndex } = service.view;
    const statistics = service.statistics?.() ?? {};
    return { member: service.member, role, term, leader, appliedIndex, watch: this.feed.figures, statistics };
  }

  private watch(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): void {
    const digest = this.admit(request, response, ['GET']);
    checkDigest(NO_BODY, digest);
    const from = query.get('from');
    this.feed.open(response, from === null ? null : parseCount('from', from));
  }
}

const NO_BODY = Buffer.alloc(0);
const WATCH_PATH = `${BASE_PATH}watch`;

function splitTarget(target: string): readonly string[] {
  const mark = target.indexOf('?');
  return mark === -1 ? [target] : [target.slice(0, mark), target.slice(mark + 1)];
}

function shareOf(deadlineMs: number, signal: AbortSignal) {
  return { deadlineMs: Math.max(1, Math.floor(deadlineMs * STORE_SHARE)), signal };
}

function checkDigest(body: Buffer, digest: string | null): Buffer {
  if (digest !== null && digestOf(body) !== digest) {
    throw new Problem('not_authenticated', 'The body is not the one that was signed.');
  }
  return body;
}

/** A browser cannot send this type to another origin without asking first, and is not answered when it asks. */
function asJson(request: IncomingMessage, body: Buffer): Buffer {
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) {
    throw new Problem('unsupported_media_type', 'Send the body as application/json.');
  }
  return body;
}
