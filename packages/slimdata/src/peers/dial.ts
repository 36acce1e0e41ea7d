import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Admit } from './admission.ts';
import type { TlsMaterial } from './certificate.ts';
import {
  acceptResponse,
  createNonce,
  createRequestHeaders,
  type Dialing,
  type Handshake,
  type Identity,
  streamPath,
} from './handshake.ts';
import type { StreamName } from './lane.ts';
import { openRequest } from './open-request.ts';

/** More of a refusal than this is not read. */
const REFUSAL_BYTES_MAX = 4096;

export interface DialTarget {
  readonly identity: Identity;
  readonly peer: string;
  readonly url: string;
  readonly tls: TlsMaterial | null;
  readonly stream: StreamName;
  /** Asked about the member that answers. */
  readonly admit: Admit;
}

/** How a dialed stream goes. `onEnded` comes exactly once, last; the others at most once. */
export interface DialEvents {
  onAccepted(response: IncomingMessage, handshake: Handshake): void;
  /** The peer, or what answers in its place, will not open the stream. */
  onRefused?(status: number, detail: string): void;
  onEnded(reason: string): void;
}

/** Opens one stream to a peer. Nothing may be written before `onAccepted`; `destroy` ends it at any time. */
export function dial(target: DialTarget, events: DialEvents): ClientRequest {
  const { peer, tls, stream: name } = target;
  // As it is now: the cluster may be joined while the answer is under way.
  const identity: Identity = { ...target.identity };
  const nonce = createNonce();
  let reason: string | null = null;
  const stream = openRequest(
    { peer, tls, url: new URL(streamPath(name), target.url) },
    createRequestHeaders(identity, peer, nonce),
  );
  const fail = (why: string) => {
    reason ??= why;
    stream.destroy();
  };
  stream.flushHeaders();
  stream.on('error', (error: NodeJS.ErrnoException) => fail(error.message || error.code || error.name));
  stream.on('close', () => events.onEnded(reason ?? 'the connection was closed'));
  stream.on('response', (response) => {
    response.on('error', (error) => fail(error.message));
    const { statusCode = 0 } = response;
    if (statusCode !== 200) {
      readRefusal(response, (why) => {
        events.onRefused?.(statusCode, why);
        fail(`refused with ${statusCode}: ${why}`);
      });
      return;
    }
    response.on('end', () => fail('the peer ended the stream'));
    const handshake = meet(response, { identity, peer, stream: name, nonce }, target.admit);
    if (typeof handshake === 'string') {
      fail(handshake);
    } else {
      events.onAccepted(response, handshake);
    }
  });
  return stream;
}

function meet(response: IncomingMessage, dialing: Dialing, admit: Admit): Handshake | string {
  const facts = acceptResponse(response.headers, dialing);
  if (typeof facts === 'string') {
    return facts;
  }
  const { to: name, toDisk: diskId, toCluster: clusterId } = facts;
  const refusal = admit({ name, diskId, clusterId, isListed: true });
  return refusal === null ? facts : refusal.detail;
}

/** The `detail` of a problem, or as much of the text as is read. */
function readRefusal(response: IncomingMessage, done: (why: string) => void): void {
  let text = '';
  response.setEncoding('utf8');
  const onEnd = () => done(parseDetail(text));
  const onData = (chunk: string) => {
    text += chunk;
    if (text.length > REFUSAL_BYTES_MAX) {
      response.off('data', onData).off('end', onEnd);
      done(text.slice(0, REFUSAL_BYTES_MAX));
    }
  };
  response.on('data', onData).on('end', onEnd);
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
