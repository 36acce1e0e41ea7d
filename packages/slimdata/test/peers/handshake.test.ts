import { expect } from 'chai';
import { describe, it } from 'mocha';
import {
  createNonce,
  createProof,
  type Handshake,
  isSameProof,
  parseStreamPath,
} from '../../src/peers/handshake.ts';

const facts: Handshake = {
  fromCluster: 'cluster',
  toCluster: 'cluster',
  from: 'ab',
  to: 'c',
  stream: 'bulk',
  fromDisk: 'disk-1',
  toDisk: 'disk-2',
  protocol: 1,
  fromNonce: 'nonce-1',
  toNonce: 'nonce-2',
};

describe('createProof', () => {
  const changes: Handshake = {
    fromCluster: 'other',
    toCluster: 'other',
    from: 'x',
    to: 'x',
    stream: 'control',
    fromDisk: 'x',
    toDisk: 'x',
    protocol: 2,
    fromNonce: 'x',
    toNonce: 'x',
  };
  for (const name of Object.keys(changes) as (keyof Handshake)[]) {
    it(`covers ${name}`, () => {
      const changed = { ...facts, [name]: changes[name] };
      expect(createProof('secret', 'dialer', changed)).not.to.deep.equal(
        createProof('secret', 'dialer', facts),
      );
    });
  }

  it('depends on the secret and on the side, so that it cannot be reflected', () => {
    const proofs = [
      createProof('secret', 'dialer', facts),
      createProof('secret', 'listener', facts),
      createProof('other', 'dialer', facts),
    ];
    expect(new Set(proofs.map((proof) => proof.toString('hex')))).to.have.property('size', 3);
  });

  it('does not confuse where one name ends and the next begins', () => {
    const shifted = { ...facts, from: 'a', to: 'bc' };
    expect(createProof('secret', 'dialer', shifted)).not.to.deep.equal(
      createProof('secret', 'dialer', facts),
    );
  });
});

describe('isSameProof', () => {
  it('compares bytes, and lengths without throwing', () => {
    const proof = createProof('secret', 'dialer', facts);
    expect(isSameProof(Buffer.from(proof), proof)).to.equal(true);
    expect(isSameProof(proof.subarray(1), proof)).to.equal(false);
    expect(isSameProof(createProof('other', 'dialer', facts), proof)).to.equal(false);
  });
});

describe('createNonce', () => {
  it('never repeats', () => {
    const nonces = Array.from({ length: 1000 }, () => createNonce());
    expect(new Set(nonces).size).to.equal(1000);
    expect(nonces[0]).to.match(/^[\w-]{43}$/);
  });
});

describe('parseStreamPath', () => {
  it('knows the two lanes, snapshots and nothing else', () => {
    expect(parseStreamPath('/slimdata/v1/snapshot')).to.equal('snapshot');
    expect(parseStreamPath('/slimdata/v1/stream/bulk')).to.equal('bulk');
    expect(parseStreamPath('/slimdata/v1/stream/control')).to.equal('control');
    for (const path of [
      undefined,
      '',
      '/',
      '/slimdata/v1/stream/snapshot',
      '/slimdata/v1/stream/',
      '/slimdata/v1/stream/bulk?x=1',
    ]) {
      expect(parseStreamPath(path)).to.equal(null);
    }
  });
});
