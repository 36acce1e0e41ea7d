import { expect } from 'chai';
import { describe, it } from 'mocha';
import { findMutation, mutationSeedsMax } from './find-mutation.ts';
import { mutations } from './mutations.ts';

describe('mutations', function () {
  this.timeout(240_000);

  for (const mutation of mutations) {
    it(`a member that ${mutation.name} is caught`, () => {
      const failure = findMutation(mutation);
      expect(failure, `in ${mutationSeedsMax} seeds`).not.to.equal(null);
      expect(failure?.message).to.contain(`Replay: npm run simulate -- --seed ${failure?.seed}`);
      expect(failure?.message.split('\n').length).to.be.greaterThan(10);
    });
  }
});
