import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { AdmissionRefusal, Admit } from './admission.ts';
import { MESSAGE_VERSION } from './codec.ts';
import { STREAM_NAMES, type StreamName } from './lane.ts';

/** Versions of the peer protocol that this build speaks. Both sides use the highest that they share. */
const PROTOCOL_RANGE = { min: MESSAGE_VERSION, max: MESSAGE_VERSION } as const;

/** Everything that is answered on the port of a member lies below this path. */
export const BASE_PATH = '/slimdata/v1/';

/** A stream of lane `bulk` is `POST /slimdata/v1/stream/bulk`, a snapshot `POST /slimdata/v1/snapshot`. */
export function streamPath(stream: StreamName): string {
  return stream === 'snapshot' ? `${BASE_PATH}snapshot` : `${BASE_PATH}stream/${stream}`;
}

/** The stream that a path asks for, null when it is none. */
export function parseStreamPath(path: string | undefined): StreamName | null {
  return STREAM_NAMES.find((stream) => path === streamPath(stream)) ?? null;
}

/** This member as its peers must know it. */
export interface Identity {
  readonly member: string;
  /** '' = this member has not joined a cluster yet. */
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
  /** Of the dialing member, and of the listening one: the same, or '' for one that has joined none. */
  readonly fromCluster: string;
  readonly toCluster: string;
  readonly from: string;
  readonly to: string;
  readonly stream: StreamName;
  readonly fromDisk: string;
  readonly toDisk: string;
  readonly protocol: number;
  readonly fromNonce: string;
  readonly toNonce: string;
}

/**
 * A handshake that must not go on. 400 malformed, 401 authentication, 403 unknown member, 410 removed member,
 * 412 does not match.
 */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 410 | 412;
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
const PROOF_BYTES = 32;

/** Room for a proof and what surrounds it; more is not read before the proof is verified. */
export const PROOF_FRAME_BYTES_MAX = PROOF_BYTES + 16;

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
    facts.fromCluster,
    facts.toCluster,
    facts.from,
    facts.to,
    facts.stream,
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

/** What a listening member decides by. */
export interface Doorkeeper {
  readonly identity: Identity;
  readonly isListed: (name: string) => boolean;
  readonly admit: Admit;
}

const ADMISSION_REFUSALS: Record<AdmissionRefusal['reason'], Pick<Refusal, 'status' | 'title'>> = {
  unknown: { status: 403, title: 'Unknown member' },
  removed: { status: 410, title: 'Removed member' },
  uninitialised: { status: 412, title: 'Not joined' },
};

/** Checks the head of a request and completes it to a handshake, or says why not. */
export function acceptRequest(
  headers: IncomingHttpHeaders,
  stream: StreamName,
  { identity, isListed, admit }: Doorkeeper,
): Handshake | Refusal {
  const [from, to, fromDisk] = [HEADER.from, HEADER.to, HEADER.disk].map((name) => readName(headers, name));
  const fromCluster = readCluster(headers);
  const range = RANGE.exec(readHeader(headers, HEADER.protocol));
  if (fromCluster === null || !from || !to || !fromDisk || range === null) {
    const detail = `A stream starts with the headers ${Object.values(HEADER).slice(0, 5).join(', ')}.`;
    return { status: 400, title: 'Malformed handshake', detail };
  }
  const protocol = Math.min(Number(range[2]), PROTOCOL_RANGE.max);
  if (protocol < Math.max(Number(range[1]), PROTOCOL_RANGE.min)) {
    const detail = `Protocol ${range[0]} was offered, ${PROTOCOL_RANGE.min}-${PROTOCOL_RANGE.max} is spoken here.`;
    return { status: 412, title: 'No common protocol', detail };
  }
  if (isForeign(fromCluster, identity.clusterId)) {
    const detail = `This member belongs to cluster "${identity.clusterId}", not to "${fromCluster}".`;
    return { status: 412, title: 'Other cluster', detail };
  }
  if (to !== identity.member) {
    const detail = `This is member "${identity.member}", not "${to}": the address of "${to}" is wrong.`;
    return { status: 412, title: 'Other member', detail };
  }
  const applicant = { name: from, diskId: fromDisk, clusterId: fromCluster, isListed: isListed(from) };
  const refusal = admit(applicant);
  if (refusal !== null) {
    return { ...ADMISSION_REFUSALS[refusal.reason], detail: refusal.detail };
  }
  const fromNonce = readHeader(headers, HEADER.nonce);
  if (identity.clusterSecret !== null && !NONCE.test(fromNonce)) {
    const detail = `Member "${identity.member}" asks its peers for the cluster secret; "${from}" offered no proof.`;
    return { status: 401, title: 'Not authenticated', detail };
  }
  const { clusterId: toCluster, diskId: toDisk } = identity;
  const sides = { fromCluster, toCluster, from, to, fromDisk, toDisk, fromNonce, toNonce: createNonce() };
  return { ...sides, stream, protocol };
}

/** Two clusters that are not the same; a member that has joined none is foreign to nobody. */
function isForeign(one: string, other: string): boolean {
  return one !== '' && other !== '' && one !== other;
}

/** Headers of the response that opens a stream. */
export function createResponseHeaders(facts: Handshake, secret: string | null): OutgoingHttpHeaders {
  return {
    'content-type': 'application/octet-stream',
    'cache-control': 'no-store',
    connection: 'close',
    [HEADER.protocol]: String(facts.protocol),
    [HEADER.cluster]: facts.toCluster,
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

/** Who dials whom, on which stream, and with which nonce. */
export interface Dialing {
  readonly identity: Identity;
  readonly peer: string;
  readonly stream: StreamName;
  readonly nonce: string;
}

/** Checks the head of the response of `peer`: the handshake, or in words why the stream cannot be used. */
export function acceptResponse(
  headers: IncomingHttpHeaders,
  { identity, peer, stream, nonce }: Dialing,
): Handshake | string {
  const protocol = Number(readHeader(headers, HEADER.protocol));
  const toDisk = readName(headers, HEADER.disk);
  const toCluster = readCluster(headers);
  const isSpoken = protocol >= PROTOCOL_RANGE.min && protocol <= PROTOCOL_RANGE.max;
  if (!isSpoken || !toDisk || toCluster === null || readHeader(headers, HEADER.from) !== peer) {
    return `what answers there is not member "${peer}"`;
  }
  if (isForeign(toCluster, identity.clusterId)) {
    return `"${peer}" belongs to cluster "${toCluster}", not to "${identity.clusterId}"`;
  }
  const facts: Handshake = {
    fromCluster: identity.clusterId,
    toCluster,
    from: identity.member,
    to: peer,
    stream,
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

/** '' is a member without a cluster; null = there is no such header, or no name in it. */
function readCluster(headers: IncomingHttpHeaders): string | null {
  return headers[HEADER.cluster] === '' ? '' : readName(headers, HEADER.cluster);
}
