import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { MESSAGE_VERSION } from './codec.ts';
import { LANES, type Lane } from './lane.ts';

/** Versions of the peer protocol that this build speaks. Both sides use the highest that they share. */
const PROTOCOL_RANGE = { min: MESSAGE_VERSION, max: MESSAGE_VERSION } as const;

/** A stream of lane `bulk` is `POST /slimdata/v1/stream/bulk`. */
export const STREAM_PATH = '/slimdata/v1/stream/';

/** The lane that a path asks for, null when it is no path of ours. */
export function parseStreamPath(path: string | undefined): Lane | null {
  return LANES.find((lane) => path === STREAM_PATH + lane) ?? null;
}

/** This member as its peers must know it. */
export interface Identity {
  readonly member: string;
  readonly clusterId: string;
  readonly diskId: string;
  /** Shared by all members; null = streams are not authenticated. */
  readonly clusterSecret: string | null;
}

/**
 * What both sides know once the head of the response is read. A proof covers all of it, so it is worth nothing
 * on another stream: both nonces are new for each.
 */
export interface Handshake {
  readonly clusterId: string;
  readonly from: string;
  readonly to: string;
  readonly lane: Lane;
  readonly fromDisk: string;
  readonly toDisk: string;
  readonly protocol: number;
  readonly fromNonce: string;
  readonly toNonce: string;
}

/** A handshake that must not go on. 400 malformed, 401 authentication, 403 unknown member, 412 does not match. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 412;
  readonly title: string;
  readonly detail: string;
}

const HEADER = {
  protocol: 'slimdata-protocol',
  cluster: 'slimdata-cluster',
  from: 'slimdata-from',
  to: 'slimdata-to',
  disk: 'slimdata-disk',
  nonce: 'slimdata-nonce',
  proof: 'slimdata-proof',
} as const;

const NAME = /^[\x21-\x7e]{1,255}$/;
const RANGE = /^(\d{1,9})-(\d{1,9})$/;
const NONCE = /^[A-Za-z0-9_-]{43}$/;

/** Length of a proof, in bytes. */
export const PROOF_BYTES = 32;

/** True when a member or cluster name can stand in a header. */
export function isHandshakeName(name: string): boolean {
  return NAME.test(name);
}

/** 256 random bits, as text. */
export function createNonce(): string {
  return randomBytes(32).toString('base64url');
}

/** HMAC-SHA256 by which one side shows, on this stream only, that it knows the secret. */
export function createProof(secret: string, side: 'dialer' | 'listener', facts: Handshake): Buffer {
  const covered = [
    'slimdata peer stream',
    side,
    facts.clusterId,
    facts.from,
    facts.to,
    facts.lane,
    facts.fromDisk,
    facts.toDisk,
    facts.protocol,
    facts.fromNonce,
    facts.toNonce,
  ];
  return createHmac('sha256', secret).update(JSON.stringify(covered)).digest();
}

/** Compares in constant time. */
export function isSameProof(actual: Uint8Array, expected: Uint8Array): boolean {
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}

/** Headers of the request that opens a stream to `peer`. */
export function createRequestHeaders(identity: Identity, peer: string, nonce: string): OutgoingHttpHeaders {
  return {
    'content-type': 'application/octet-stream',
    [HEADER.protocol]: `${PROTOCOL_RANGE.min}-${PROTOCOL_RANGE.max}`,
    [HEADER.cluster]: identity.clusterId,
    [HEADER.from]: identity.member,
    [HEADER.to]: peer,
    [HEADER.disk]: identity.diskId,
    ...(identity.clusterSecret === null ? {} : { [HEADER.nonce]: nonce }),
  };
}

/** Checks the head of a request and completes it to a handshake, or says why not. */
export function acceptRequest(
  headers: IncomingHttpHeaders,
  lane: Lane,
  identity: Identity,
  isPeer: (name: string) => boolean,
): Handshake | Refusal {
  const [clusterId, from, to, fromDisk] = [HEADER.cluster, HEADER.from, HEADER.to, HEADER.disk].map((name) =>
    readName(headers, name),
  );
  const range = RANGE.exec(readHeader(headers, HEADER.protocol));
  if (!clusterId || !from || !to || !fromDisk || range === null) {
    const detail = `A stream starts with the headers ${Object.values(HEADER).slice(0, 5).join(', ')}.`;
    return { status: 400, title: 'Malformed handshake', detail };
  }
  const protocol = Math.min(Number(range[2]), PROTOCOL_RANGE.max);
  if (protocol < Math.max(Number(range[1]), PROTOCOL_RANGE.min)) {
    const detail = `Protocol ${range[0]} was offered, ${PROTOCOL_RANGE.min}-${PROTOCOL_RANGE.max} is spoken here.`;
    return { status: 412, title: 'No common protocol', detail };
  }
  if (clusterId !== identity.clusterId) {
    const detail = `This member belongs to cluster "${identity.clusterId}", not to "${clusterId}".`;
    return { status: 412, title: 'Other cluster', detail };
  }
  if (to !== identity.member) {
    const detail = `This is member "${identity.member}", not "${to}": the address of "${to}" is wrong.`;
    return { status: 412, title: 'Other member', detail };
  }
  if (!isPeer(from)) {
    const detail = `Member "${identity.member}" knows no peer "${from}": add it to its list of members.`;
    return { status: 403, title: 'Unknown member', detail };
  }
  const fromNonce = readHeader(headers, HEADER.nonce);
  if (identity.clusterSecret !== null && !NONCE.test(fromNonce)) {
    const detail = `Member "${identity.member}" asks its peers for the cluster secret; "${from}" offered no proof.`;
    return { status: 401, title: 'Not authenticated', detail };
  }
  const toNonce = createNonce();
  return { clusterId, from, to, lane, fromDisk, toDisk: identity.diskId, protocol, fromNonce, toNonce };
}

/** Headers of the response that opens a stream. */
export function createResponseHeaders(facts: Handshake, secret: string | null): OutgoingHttpHeaders {
  return {
    'content-type': 'application/octet-stream',
    'cache-control': 'no-store',
    connection: 'close',
    [HEADER.protocol]: String(facts.protocol),
    [HEADER.from]: facts.to,
    [HEADER.disk]: facts.toDisk,
    ...(secret === null
      ? {}
      : {
          [HEADER.nonce]: facts.toNonce,
          [HEADER.proof]: createProof(secret, 'listener', facts).toString('base64url'),
        }),
  };
}

/** Checks the head of the response of `peer`: the handshake, or in words why the stream cannot be used. */
export function acceptResponse(
  headers: IncomingHttpHeaders,
  lane: Lane,
  identity: Identity,
  peer: string,
  nonce: string,
): Handshake | string {
  const protocol = Number(readHeader(headers, HEADER.protocol));
  const toDisk = readName(headers, HEADER.disk);
  const isSpoken = protocol >= PROTOCOL_RANGE.min && protocol <= PROTOCOL_RANGE.max;
  if (!isSpoken || !toDisk || readHeader(headers, HEADER.from) !== peer) {
    return `what answers there is not member "${peer}"`;
  }
  const facts: Handshake = {
    clusterId: identity.clusterId,
    from: identity.member,
    to: peer,
    lane,
    fromDisk: identity.diskId,
    toDisk,
    protocol,
    fromNonce: nonce,
    toNonce: readHeader(headers, HEADER.nonce),
  };
  if (identity.clusterSecret === null) {
    return facts;
  }
  const proof = Buffer.from(readHeader(headers, HEADER.proof), 'base64url');
  const expected = createProof(identity.clusterSecret, 'listener', facts);
  if (!NONCE.test(facts.toNonce) || !isSameProof(proof, expected)) {
    return `"${peer}" does not prove that it knows the cluster secret: give all members the same one`;
  }
  return facts;
}

function readHeader(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return typeof value === 'string' ? value : '';
}

function readName(headers: IncomingHttpHeaders, name: string): string | null {
  const value = readHeader(headers, name);
  return NAME.test(value) ? value : null;
}
