import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { decodeMessage, type Frame } from '../../src/peers/codec.ts';
import { FrameReader } from '../../src/peers/frame-reader.ts';
import { createNonce, createProof, type Handshake } from '../../src/peers/handshake.ts';
import { Journal } from './journal.ts';

export type Headers = Readonly<Record<string, string>>;

/** The head that member `b` sends to member `a` of the tests. */
export const validHeaders: Headers = {
  'slimdata-protocol': '1-1',
  'slimdata-cluster': 'cluster-1',
  'slimdata-from': 'b',
  'slimdata-to': 'a',
  'slimdata-disk': 'disk-of-b',
  'slimdata-nonce': createNonce(),
};

/** A stream spoken by hand. */
export interface RawStream {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The whole body when it is a problem. */
  readonly problem: Readonly<Record<string, unknown>> | null;
  readonly frames: Journal<Frame>;
  readonly stream: ClientRequest;
  /** Resolves when the connection is over, whoever ended it. */
  readonly closed: Promise<void>;
}

export async function openRawStream(
  url: string,
  path = '/slimdata/v1/stream/control',
  headers: Headers = validHeaders,
  method = 'POST',
): Promise<RawStream> {
  const stream = request(new URL(path, url), { method, headers: { ...headers }, agent: false });
  stream.on('error', () => stream.destroy());
  const closed = new Promise<void>((resolve) => stream.on('close', () => resolve()));
  stream.flushHeaders();
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    stream.on('response', resolve);
    stream.on('error', reject);
  });
  const frames = new Journal<Frame>();
  const head = { status: response.statusCode ?? 0, headers: response.headers, frames, stream, closed };
  response.on('error', () => stream.destroy());
  if (response.headers['content-type'] === 'application/problem+json') {
    const text = (await response.setEncoding('utf8').toArray()).join('');
    return { ...head, problem: JSON.parse(text) as Record<string, unknown> };
  }
  const reader = new FrameReader(1000);
  response.on('data', (chunk: Buffer) => {
    reader.push(chunk);
    for (let body = reader.next(); body !== null; body = reader.next()) {
      frames.add(decodeMessage(body));
    }
  });
  return { ...head, problem: null };
}

/** The proof that member `b` owes after this response. */
export function proofFor(
  secret: string,
  response: IncomingHttpHeaders,
  changes: Partial<Handshake> = {},
): Buffer {
  return createProof(secret, 'dialer', {
    fromCluster: 'cluster-1',
    toCluster: 'cluster-1',
    from: 'b',
    to: 'a',
    stream: 'control',
    fromDisk: 'disk-of-b',
    toDisk: 'disk-of-a',
    protocol: 1,
    fromNonce: validHeaders['slimdata-nonce'] ?? '',
    toNonce: String(response['slimdata-nonce']),
    ...changes,
  });
}
