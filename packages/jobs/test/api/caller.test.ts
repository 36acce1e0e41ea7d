import { expect } from 'chai';
import { describe, it } from 'mocha';
import { createIsInternal } from '../../src/api/caller.ts';

describe('createIsInternal', () => {
  it('knows the bearer of the token, whatever the case of the scheme', () => {
    const isInternal = createIsInternal('s3cret');
    for (const authorization of ['Bearer s3cret', 'bearer s3cret', 'BEARER  s3cret ']) {
      expect(isInternal(authorization), authorization).to.equal(true);
    }
  });

  it('knows nobody else', () => {
    const isInternal = createIsInternal('s3cret');
    const strangers = [
      undefined,
      '',
      's3cret',
      'Bearer',
      'Bearer s3cre',
      'Bearer s3cret2',
      'Bearer s3cret x',
    ];
    for (const authorization of [...strangers, 'Basic s3cret', 'Bearer S3CRET', 'Bearer,s3cret']) {
      expect(isInternal(authorization), String(authorization)).to.equal(false);
    }
  });

  it('knows nobody when there is no token', () => {
    for (const authorization of [undefined, 'Bearer ', 'Bearer null']) {
      expect(createIsInternal(null)(authorization)).to.equal(false);
    }
  });
});
