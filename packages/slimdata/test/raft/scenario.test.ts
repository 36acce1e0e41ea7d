import { expect } from 'chai';
import { describe, it } from 'mocha';
import { caseFiles, parseCases } from './case-file.ts';
import { Scenario } from './scenario.ts';

describe('scenario', () => {
  it('files are found', () => {
    expect(caseFiles('../scenarios')).to.have.length.greaterThan(9);
  });

  for (const file of caseFiles('../scenarios')) {
    it(`${file.replace('.txt', '').replaceAll('-', ' ')} goes as written`, () => {
      const scenario = new Scenario();
      for (const testCase of parseCases('../scenarios', file)) {
        expect(scenario.run(testCase), `${file}:${testCase.line}`).to.deep.equal(testCase.expected);
      }
    });
  }
});
