import type { IncomingMessage } from 'node:http';
import { isSameProof } from '../peers/handshake.ts';
import type { StoreApiLimits } from './limits.ts';
import { Problem } from './problem.ts';
import { SIGNATURE_HEADER, type SignedFacts, signRequest } from './signature.ts';

const NONCE = /^[A-Za-z0-9_-]{43}$/;
const TIME = /^\d{1,15}$/;

export interface SignatureCheckOptions {
  readonly secret: string;
  readonly member: string;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly limits: Pick<StoreApiLimits, 'clockWindowMs' | 'noncesMax'>;
}

/**
 * Lets each signed request pass once, while it is fresh. What passed is forgotten when it is too old to pass again,
 * and at a restart; so nothing passes that was signed before this member started.
 */
export class SignatureCheck {
  private readonly options: SignatureCheckOptions;
  private readonly startedAt: number;
  /** When each nonce may be forgotten, in the order in which they came. */
  private readonly nonces = new Map<string, number>();

  constructor(options: SignatureCheckOptions) {
    this.options = options;
    this.startedAt = options.now();
  }

  /** The digest that the body must have. @throws Problem of status 401, or `overloaded` */
  check(request: IncomingMessage): string {
    const { member, secret } = this.options;
    const facts = readFacts(request);
    if (facts.member !== member) {
      throw new Problem('other_member', `This is member "${member}": sign the request for it.`, { member });
    }
    const signature = Buffer.from(readHeader(request, SIGNATURE_HEADER.signature), 'base64url');
    if (
      !NONCE.test(facts.nonce) ||
      !TIME.test(facts.time) ||
      !isSameProof(signature, signRequest(secret, facts))
    ) {
      throw new Problem('not_authenticated', 'The request is not signed with the secret of this cluster.');
    }
    this.takeOnce(facts.nonce, Number(facts.time));
    return facts.digest;
  }

  private takeOnce(nonce: string, time: number): void {
    const { now, limits } = this.options;
    const present = now();
    if (Math.abs(present - time) > limits.clockWindowMs || time < this.startedAt) {
      const detail = `The request was signed at ${time}; here it is ${present}, and this member started at ${this.startedAt}.`;
      throw new Problem('request_expired', detail, { time: present });
    }
    for (const [old, forgetAt] of this.nonces) {
      if (forgetAt >= present) {
        break;
      }
      this.nonces.delete(old);
    }
    if (this.nonces.has(nonce)) {
      throw new Problem('request_repeated', 'This very request came before.');
    }
    if (this.nonces.size >= limits.noncesMax) {
      throw new Problem(
        'overloaded',
        'Too many requests are remembered to tell whether this one came before.',
      );
    }
    // Its time may lie one window ahead, and is good for one more.
    this.nonces.set(nonce, present + 2 * limits.clockWindowMs);
  }
}

function readFacts(request: IncomingMessage): SignedFacts {
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    member: readHeader(request, SIGNATURE_HEADER.member),
    time: readHeader(request, SIGNATURE_HEADER.time),
    nonce: readHeader(request, SIGNATURE_HEADER.nonce),
    digest: readHeader(request, SIGNATURE_HEADER.digest),
  };
}

function readHeader(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return typeof value === 'string' ? value : '';
}
