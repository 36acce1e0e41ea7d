import {
  Agent as HttpAgent,
  type IncomingMessage,
  type RequestOptions,
  request as sendHttp,
} from 'node:http';
import { Agent as HttpsAgent, request as sendHttps } from 'node:https';
import { checkServerIdentity } from 'node:tls';
import { checkMemberCertificate, TLS_VERSION_MIN, type TlsMaterial } from '../peers/certificate.ts';
import { createNonce } from '../peers/handshake.ts';
import { digestOf, SIGNATURE_HEADER, signRequest } from './signature.ts';
import { StoreClientError } from './store-client-error.ts';

/** Connections to one member that are kept for the next request. */
const SOCKETS_MAX = 16;

export interface RequesterOptions {
  /** Of one member, e.g. `http://slimfaas-0.slimfaas:3262`. */
  readonly url: string;
  readonly secret: string | null;
  readonly tls: TlsMaterial | null;
  /** The name of that member; null = learned from its answers and, with TLS, the certificate is for the host. */
  readonly member: string | null;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export interface Sent {
  readonly method: 'GET' | 'POST';
  /** Path and query. */
  readonly target: string;
  readonly body: string | null;
  readonly signal: AbortSignal;
}

/** Sends requests to one member, signed and over TLS as its cluster asks for. */
export class Requester {
  private readonly options: RequesterOptions;
  private readonly agent: HttpAgent;
  /** As whom the member wants to be addressed. */
  private member: string;

  constructor(options: RequesterOptions) {
    this.options = options;
    this.member = options.member ?? '';
    this.agent = createAgent(options);
  }

  /** Resolves when the head of the answer is there. @throws StoreClientError `unreachable`, `aborted` */
  send(sent: Sent): Promise<IncomingMessage> {
    const { url, tls } = this.options;
    const body = sent.body ?? '';
    const { hostname, port } = new URL(url);
    const options: RequestOptions = {
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port,
      path: sent.target,
      method: sent.method,
      agent: this.agent,
      headers: {
        ...(sent.body === null
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        ...this.sign(sent, body),
      },
      signal: sent.signal,
    };
    return new Promise((resolve, reject) => {
      const request = (tls === null ? sendHttp : sendHttps)(options, resolve);
      request.on('error', (error) => reject(toClientError(error, sent.signal, url)));
      request.end(body);
    });
  }

  /** The member said that it has another name than the one signed for. False = it is known already. */
  address(member: string): boolean {
    if (this.options.member !== null || this.member === member) {
      return false;
    }
    this.member = member;
    return true;
  }

  close(): void {
    this.agent.destroy();
  }

  private sign({ method, target }: Sent, body: string): Record<string, string> {
    const { secret, now } = this.options;
    if (secret === null) {
      return {};
    }
    const { member } = this;
    const facts = {
      method,
      target,
      member,
      time: String(now()),
      nonce: createNonce(),
      digest: digestOf(Buffer.from(body)),
    };
    return {
      [SIGNATURE_HEADER.member]: facts.member,
      [SIGNATURE_HEADER.time]: facts.time,
      [SIGNATURE_HEADER.nonce]: facts.nonce,
      [SIGNATURE_HEADER.digest]: facts.digest,
      [SIGNATURE_HEADER.signature]: signRequest(secret, facts).toString('base64url'),
    };
  }
}

/** What a broken exchange comes to. */
export function toClientError(error: unknown, signal: AbortSignal, url: string): StoreClientError {
  if (error instanceof StoreClientError) {
    return error;
  }
  if (signal.reason instanceof StoreClientError) {
    return signal.reason;
  }
  const reason = error instanceof Error ? error.message || error.name : String(error);
  return signal.aborted
    ? new StoreClientError('aborted', 'The caller gave up.', {}, { cause: signal.reason })
    : new StoreClientError('unreachable', `No answer from ${url}: ${reason}.`, {}, { cause: error });
}

function createAgent({ tls, member }: RequesterOptions): HttpAgent {
  const sockets = { keepAlive: true, maxSockets: SOCKETS_MAX };
  return tls === null
    ? new HttpAgent(sockets)
    : new HttpsAgent({
        ...sockets,
        ...tls,
        minVersion: TLS_VERSION_MIN,
        checkServerIdentity: (host, certificate) =>
          member === null
            ? checkServerIdentity(host, certificate)
            : checkMemberCertificate(member, certificate.raw),
      });
}
