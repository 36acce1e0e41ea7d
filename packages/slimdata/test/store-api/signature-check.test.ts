import type { IncomingMessage } from 'node:http';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { createNonce } from '../../src/peers/handshake.ts';
import type { Problem } from '../../src/store-api/problem.ts';
import { digestOf, SIGNATURE_HEADER, type SignedFacts, signRequest } from '../../src/store-api/signature.ts';
import { SignatureCheck } from '../../src/store-api/signature-check.ts';

const START = 1_000_000;
const WINDOW = 30_000;
const digest = digestOf(Buffer.alloc(0));

/** A check of member `a` whose clock the test sets. */
function createCheck(noncesMax = 100) {
  const clock = { now: START };
  const limits = { clockWindowMs: WINDOW, noncesMax };
  const check = new SignatureCheck({ secret: 'secret', member: 'a', now: () => clock.now, limits });
  return { clock, check };
}

function factsOf(changes: Partial<SignedFacts> = {}): SignedFacts {
  const target = '/slimdata/v1/status';
  return {
    method: 'GET',
    target,
    member: 'a',
    time: String(START),
    nonce: createNonce(),
    digest,
    ...changes,
  };
}

/** A request with these facts, whose signature covers those of `signed`. */
function requestOf(facts: SignedFacts, signed = facts, secret = 'secret'): IncomingMessage {
  const headers = {
    [SIGNATURE_HEADER.member]: facts.member,
    [SIGNATURE_HEADER.time]: facts.time,
    [SIGNATURE_HEADER.nonce]: facts.nonce,
    [SIGNATURE_HEADER.digest]: facts.digest,
    [SIGNATURE_HEADER.signature]: signRequest(secret, signed).toString('base64url'),
  };
  return { method: facts.method, url: facts.target, headers } as unknown as IncomingMessage;
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'passed';
  } catch (error) {
    return (error as Problem).code;
  }
}

describe('SignatureCheck', () => {
  it('lets a signed request pass and tells the digest of its body', () => {
    expect(createCheck().check.check(requestOf(factsOf()))).to.equal(digest);
  });

  const changed: Partial<SignedFacts> = {
    method: 'POST',
    target: '/slimdata/v1/status?x',
    time: String(START + 1),
    nonce: createNonce(),
    digest: digestOf(Buffer.from('x')),
  };
  for (const [name, value] of Object.entries(changed)) {
    it(`covers the ${name}`, () => {
      const facts = factsOf();
      const request = requestOf({ ...facts, [name]: value }, facts);
      expect(codeOf(() => createCheck().check.check(request))).to.equal('not_authenticated');
    });
  }

  it('covers the member, also when the other names itself', () => {
    const facts = factsOf({ member: 'b' });
    expect(codeOf(() => createCheck().check.check(requestOf(facts)))).to.equal('other_member');
    expect(codeOf(() => createCheck().check.check(requestOf({ ...facts, member: 'a' }, facts)))).to.equal(
      'not_authenticated',
    );
  });

  it('refuses another secret, and a request without a signature', () => {
    const { check } = createCheck();
    const facts = factsOf();
    expect(codeOf(() => check.check(requestOf(facts, facts, 'another')))).to.equal('not_authenticated');
    const { headers, ...rest } = requestOf(facts);
    const { [SIGNATURE_HEADER.signature]: _, ...unsigned } = headers;
    expect(codeOf(() => check.check({ ...rest, headers: unsigned } as IncomingMessage))).to.equal(
      'not_authenticated',
    );
    const bare = { method: 'GET', url: '/', headers: {} } as IncomingMessage;
    expect(codeOf(() => check.check(bare))).to.equal('other_member');
  });

  it('refuses odd nonces and times although they are signed', () => {
    const { check } = createCheck();
    for (const facts of [factsOf({ nonce: 'short' }), factsOf({ time: '1e6' }), factsOf({ time: '-1' })]) {
      expect(codeOf(() => check.check(requestOf(facts)))).to.equal('not_authenticated');
    }
  });

  it('lets a request pass once, for as long as it is fresh', () => {
    const { clock, check } = createCheck();
    clock.now = START + 2 * WINDOW;
    const request = requestOf(factsOf({ time: String(clock.now + WINDOW) }));
    expect(codeOf(() => check.check(request))).to.equal('passed');
    const codes = new Set<string>();
    for (; clock.now <= START + 5 * WINDOW; clock.now += 1000) {
      // Others come too, so that whatever may be forgotten is.
      check.check(requestOf(factsOf({ time: String(clock.now) })));
      codes.add(codeOf(() => check.check(request)));
    }
    expect([...codes]).to.deep.equal(['request_repeated', 'request_expired']);
  });

  it('refuses what is too old, too far ahead, or older than this member', () => {
    const { clock, check } = createCheck();
    const at = (time: number) => codeOf(() => check.check(requestOf(factsOf({ time: String(time) }))));
    expect(at(START - 1)).to.equal('request_expired');
    clock.now = START + 10 * WINDOW;
    expect(at(clock.now - WINDOW)).to.equal('passed');
    expect(at(clock.now - WINDOW - 1)).to.equal('request_expired');
    expect(at(clock.now + WINDOW)).to.equal('passed');
    expect(at(clock.now + WINDOW + 1)).to.equal('request_expired');
  });

  it('keeps no nonce of a request that was not signed', () => {
    const { check } = createCheck();
    const facts = factsOf();
    expect(codeOf(() => check.check(requestOf(facts, facts, 'another')))).to.equal('not_authenticated');
    expect(codeOf(() => check.check(requestOf(facts)))).to.equal('passed');
  });

  it('refuses rather than forget too early, and takes more when some have expired', () => {
    const { clock, check } = createCheck(3);
    const one = () => codeOf(() => check.check(requestOf(factsOf({ time: String(clock.now) }))));
    expect([one(), one(), one(), one()]).to.deep.equal(['passed', 'passed', 'passed', 'overloaded']);
    clock.now += 2 * WINDOW + 1;
    expect(one()).to.equal('passed');
  });
});
