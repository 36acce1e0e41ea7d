import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import type { TlsMaterial } from '../peers/certificate.ts';
import { BASE_PATH } from '../peers/handshake.ts';
import { systemTimers, type Timers } from '../peers/timers.ts';
import type { Role } from '../raft/types.ts';
import type { FieldRecord, Transaction, TransactionResult } from '../state-machine/transaction.ts';
import type { ProblemCode } from './problem.ts';
import type { Consistency, ReadAnswer } from './read.ts';
import { Requester, type Sent, toClientError } from './signed-request.ts';
import { StoreClientError } from './store-client-error.ts';
import { formatTransaction } from './transaction-json.ts';
import { readWatch, type WatchEvent } from './watch-reader.ts';

export interface StoreClientOptions {
  /** Of one member, e.g. `http://slimfaas-0.slimfaas:3262`. */
  readonly url: string;
  /** The cluster's; absent or null = requests are not signed. */
  readonly secret?: string | null;
  /** Must be given exactly when the URL says `https:`. */
  readonly tls?: TlsMaterial | null;
  /** The member's name. Absent = whichever answers there; with TLS its certificate must then be for the host. */
  readonly member?: string;
  /** Unix milliseconds; the member's clock must agree within half a minute. */
  readonly now?: () => number;
  readonly timers?: Timers;
}

interface StoreRequestOptions {
  /** The member answers within this time (default 10 s, at most 60). */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

interface StoreReadOptions extends StoreRequestOptions {
  /** Absent = a page of all fields, in order of creation. */
  readonly fields?: readonly string[];
  /** `linearizable` unless told. */
  readonly consistency?: Consistency;
  readonly limit?: number;
  /** `next` of the page before. */
  readonly after?: string;
}

interface StoreReadPage {
  /** The state that was read. */
  readonly appliedIndex: number;
  /** All fields that the hashset has. */
  readonly size: number;
  /** Fields that exist, in the order asked for or of creation. */
  readonly fields: ReadonlyMap<string, FieldRecord>;
  /** To be given as `after` for the next page; null = this was the last. */
  readonly next: string | null;
}

interface StoreStatus {
  readonly member: string;
  readonly role: Role;
  readonly term: number;
  readonly leader: string | null;
  readonly appliedIndex: number;
  readonly watch: { readonly oldestIndex: number; readonly watchers: number };
  readonly statistics: Readonly<Record<string, unknown>>;
}

/** The store API of one member. Every method rejects with `StoreClientError`; nothing is tried twice. */
export interface StoreClient extends AsyncDisposable {
  transact(transaction: Transaction, options?: StoreRequestOptions): Promise<TransactionResult>;
  read(hashset: string, options?: StoreReadOptions): Promise<StoreReadPage>;
  status(options?: StoreRequestOptions): Promise<StoreStatus>;
  /**
   * All changes from index `from` on, in order, without end; absent = those to come. To go on after it broke, watch
   * from the last event's index + 1. Rejects with the code of the reason, e.g. `too_old`, `slow_consumer`, `closed`.
   */
  watch(options?: { readonly from?: number; readonly signal?: AbortSignal }): AsyncIterable<WatchEvent>;
  /** Gives up its connections. */
  close(): void;
}

export function createStoreClient(options: StoreClientOptions): StoreClient {
  return new HttpStoreClient(options);
}

const DEADLINE_MS = 10_000;
/** For the way there and back. */
const PATIENCE_MS = 2000;

class HttpStoreClient implements StoreClient {
  private readonly url: string;
  private readonly requester: Requester;
  private readonly timers: Timers;

  constructor({
    url,
    secret = null,
    tls = null,
    member,
    now = Date.now,
    timers = systemTimers,
  }: StoreClientOptions) {
    const scheme = tls === null ? 'http:' : 'https:';
    assert(new URL(url).protocol === scheme, `the address "${url}" is not like "${scheme}//host:3262"`);
    this.url = url;
    this.timers = timers;
    this.requester = new Requester({ url, secret, tls, member: member ?? null, now });
  }

  async transact(transaction: Transaction, options: StoreRequestOptions = {}): Promise<TransactionResult> {
    return (await this.ask('POST', 'transact', formatTransaction(transaction), options)) as TransactionResult;
  }

  async read(hashset: string, options: StoreReadOptions = {}): Promise<StoreReadPage> {
    const { fields, consistency, limit, after } = options;
    const body = JSON.stringify({ hashset, fields, consistency, limit, continue: after });
    const answer = (await this.ask('POST', 'read', body, options)) as ReadAnswer;
    const records = answer.fields.map(({ field, value, createdIndex, version }) => {
      return [field, { value: Buffer.from(value, 'base64'), createdIndex, version }] as const;
    });
    const { appliedIndex, size } = answer;
    return { appliedIndex, size, fields: new Map(records), next: answer.continue };
  }

  async status(options: StoreRequestOptions = {}): Promise<StoreStatus> {
    return (await this.ask('GET', 'status', null, options)) as StoreStatus;
  }

  async *watch({ from, signal }: { from?: number; signal?: AbortSignal } = {}): AsyncGenerator<WatchEvent> {
    const target = `${BASE_PATH}watch${from === undefined ? '' : `?from=${from}`}`;
    const over = new AbortController();
    const onAbort = (): void => over.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal?.aborted === true) {
        onAbort();
      }
      const response = await this.send({ method: 'GET', target, body: null, signal: over.signal });
      yield* readWatch(response, over, this.timers);
    } catch (error) {
      throw toClientError(error, over.signal, this.url);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      over.abort();
    }
  }

  close(): void {
    this.requester.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  private async ask(
    method: Sent['method'],
    what: string,
    body: string | null,
    { deadlineMs = DEADLINE_MS, signal }: StoreRequestOptions,
  ): Promise<unknown> {
    const target = `${BASE_PATH}${what}?deadlineMs=${deadlineMs}`;
    const over = new AbortController();
    const onAbort = (): void => over.abort(signal?.reason);
    const cancel = this.timers.after(deadlineMs + PATIENCE_MS, () => {
      const detail = `No answer from ${this.url} within ${deadlineMs + PATIENCE_MS} ms.`;
      over.abort(new StoreClientError('unreachable', detail));
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal?.aborted === true) {
        onAbort();
      }
      const response = await this.send({ method, target, body, signal: over.signal });
      return JSON.parse(await readText(response));
    } catch (error) {
      throw toClientError(error, over.signal, this.url);
    } finally {
      cancel();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** A response of status 200. The first answer of a member may be its name, for which it is then asked again. */
  private async send(sent: Sent): Promise<IncomingMessage> {
    const response = await this.requester.send(sent);
    if (response.statusCode === 200) {
      return response;
    }
    const refusal = await readProblem(response);
    const { member } = refusal.facts;
    if (refusal.code === 'other_member' && typeof member === 'string' && this.requester.address(member)) {
      return await this.send(sent);
    }
    throw refusal;
  }
}

async function readProblem(response: IncomingMessage): Promise<StoreClientError> {
  const text = await readText(response);
  try {
    const { code, detail, ...facts } = JSON.parse(text) as Record<string, unknown>;
    if (typeof code === 'string') {
      // A code of a later version is passed on as it is.
      return new StoreClientError(code as ProblemCode, String(detail), facts);
    }
  } catch (cause) {
    return new StoreClientError(
      'unreachable',
      `${response.statusCode}: ${text.slice(0, 200)}`,
      {},
      { cause },
    );
  }
  return new StoreClientError('unreachable', `${response.statusCode}: ${text.slice(0, 200)}`);
}

/** An answer is not read beyond this: base64 of the largest, and some. */
const ANSWER_LENGTH_MAX = 32 * 1024 * 1024;

async function readText(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk;
    if (text.length > ANSWER_LENGTH_MAX) {
      throw new StoreClientError('unreachable', `The answer is longer than ${ANSWER_LENGTH_MAX} characters.`);
    }
  }
  return text;
}
