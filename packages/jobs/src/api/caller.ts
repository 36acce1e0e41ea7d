import { createHash, timingSafeEqual } from 'node:crypto';

/** Whether a request comes from inside, by its `Authorization` header. */
export type IsInternal = (authorization: string | undefined) => boolean;

/**
 * Recognises callers that present the token (RFC 6750). Compares digests, so that neither content nor length of the
 * token shows in the time it takes.
 */
export function createIsInternal(internalToken: string | null): IsInternal {
  if (internalToken === null) return () => false;
  const expected = digest(internalToken);
  return (authorization) => {
    const token = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    return token !== undefined && timingSafeEqual(digest(token), expected);
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
