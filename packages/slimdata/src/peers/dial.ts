import { type ClientRequest, type IncomingMessage, request as openRequest } from 'node:http';
import { connect } from 'node:net';
import {
  acceptResponse,
  createNonce,
  createRequestHeaders,
  type Handshake,
  type Identity,
  STREAM_PATH,
} from './handshake.ts';
import type { Lane } from './lane.ts';

/** TCP asks a silent peer whether it is still there after this time. */
const KEEP_ALIVE_DELAY_MS = 5000;

/** More of a refusal than this is not read. */
const REFUSAL_BYTES_MAX = 4096;

export interface DialTarget {
  readonly identity: Identity;
  readonly peer: string;
  readonly url: string;
  readonly lane: Lane;
}

/** How a dialed stream goes. `onEnded` comes exactly once, last; `onAccepted` at most once. */
export interface DialEvents {
  onAccepted(response: IncomingMessage, handshake: Handshake): void;
  onEnded(reason: string): void;
}

/** Opens one stream to a peer. Nothing may be written before `onAccepted`; `destroy` ends it at any time. */
export function dial(target: DialTarget, events: DialEvents): ClientRequest {
  const { identity, peer, lane } = target;
  const nonce = createNonce();
  const url = new URL(STREAM_PATH + lane, target.url);
  let reason: string | null = null;
  const stream = openRequest(url, {
    method: 'POST',
    headers: createRequestHeaders(identity, peer, nonce),
    createConnection: () =>
      connect({
        host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: Number(url.port || 80),
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
      }),
  });
  const fail = (why: string) => {
    reason ??= why;
    stream.destroy();
  };
  stream.flushHeaders();
  stream.on('error', (error: NodeJS.ErrnoException) => fail(error.message || error.code || error.name));
  stream.on('close', () => events.onEnded(reason ?? 'the connection was closed'));
  stream.on('response', (response) => {
    response.on('error', (error) => fail(error.message));
    if (response.statusCode !== 200) {
      readRefusal(response, (why) => fail(`refused with ${response.statusCode}: ${why}`));
      return;
    }
    response.on('end', () => fail('the peer ended the stream'));
    const handshake = acceptResponse(response.headers, lane, identity, peer, nonce);
    if (typeof handshake === 'string') {
      fail(handshake);
    } else {
      events.onAccepted(response, handshake);
    }
  });
  return stream;
}

/** The `detail` of a problem, or as much of the text as is read. */
function readRefusal(response: IncomingMessage, done: (why: string) => void): void {
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text += chunk;
    if (text.length > REFUSAL_BYTES_MAX) {
      done(text.slice(0, REFUSAL_BYTES_MAX));
    }
  });
  response.on('end', () => done(parseDetail(text)));
}

function parseDetail(text: string): string {
  try {
    const problem: unknown = JSON.parse(text);
    if (typeof problem === 'object' && problem !== null && 'detail' in problem) {
      return String(problem.detail);
    }
  } catch (error) {
    return error instanceof SyntaxError ? text : String(error);
  }
  return text;
}
