import { createHash, createHmac } from 'node:crypto';

/** Headers of a signed request. */
export const SIGNATURE_HEADER = {
  member: 'slimdata-to',
  time: 'slimdata-time',
  nonce: 'slimdata-nonce',
  digest: 'slimdata-digest',
  signature: 'slimdata-signature',
} as const;

/** All that a signature covers, so that it is worth nothing for another request, member or time. */
export interface SignedFacts {
  readonly method: string;
  /** Path and query, as sent. */
  readonly target: string;
  /** The member that is to answer. */
  readonly member: string;
  /** Unix milliseconds, as text. */
  readonly time: string;
  /** New for each request. */
  readonly nonce: string;
  /** Of the body. */
  readonly digest: string;
}

/** HMAC-SHA256 over the facts of one request. */
export function signRequest(secret: string, facts: SignedFacts): Buffer {
  const { method, target, member, time, nonce, digest } = facts;
  const covered = ['slimdata store request', method, target, member, time, nonce, digest];
  return createHmac('sha256', secret).update(JSON.stringify(covered)).digest();
}

/** SHA-256, as text. */
export function digestOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('base64url');
}
