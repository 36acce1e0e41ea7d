import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { createRunName, parseJobName, platformName } from '../../src/model/job-name.ts';
import { randomBytes } from './arbitraries.ts';
import { accepted, refused, sentences } from './parsed.ts';

const jobName = fc.stringMatching(/^[a-zA-Z0-9_-]{3,30}$/);

describe('parseJobName', () => {
  for (const [text, name] of [
    ['fibonacci', 'fibonacci'],
    ['Fibonacci', 'fibonacci'],
    ['my_JOB-1', 'my_job-1'],
    ['abc', 'abc'],
    ['a'.repeat(30), 'a'.repeat(30)],
    ['123', '123'],
  ] as const) {
    it(`takes "${text}" as "${name}"`, () => {
      expect(accepted(parseJobName(text))).to.equal(name);
    });
  }

  for (const text of [
    '',
    'ab',
    'a'.repeat(31),
    'a b',
    'a.b',
    'fib/x',
    'fib\n',
    '\nfib',
    'fibé',
    'İab',
    '../x',
    '__proto__x.',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(refused(parseJobName(text))).to.deep.equal(['invalid_name ']);
    });
  }

  it('quotes the name and says the rule', () => {
    const message = '"a.b" is not a job name: a job name has 3 to 30 characters of a-z, 0-9, "_" and "-".';
    expect(sentences(parseJobName('a.b'))).to.equal(message);
  });
});

describe('platformName', () => {
  for (const [name, platform] of [
    ['fibonacci', 'fibonacci'],
    ['my_job', 'my-job'],
    ['_job_', 'job'],
    ['-a-b-', 'a-b'],
    ['___', 'job'],
  ] as const) {
    it(`writes "${name}" as "${platform}"`, () => {
      expect(platformName(name)).to.equal(platform);
    });
  }
});

describe('createRunName', () => {
  it('is the job name, "-slimfaas-job-" and eight signs', () => {
    expect(createRunName('my_job', (size) => new Uint8Array(size))).to.equal('my-job-slimfaas-job-00000000');
    const name = createRunName('fibonacci', (size) => new Uint8Array(size).fill(255));
    expect(name).to.match(/^fibonacci-slimfaas-job-[0-9a-z]{8}$/);
  });

  it('is a DNS label and a label value of at most 63 signs for every job name', () => {
    fc.assert(
      fc.property(jobName, randomBytes, (text, random) => {
        const runName = createRunName(accepted(parseJobName(text)), random);
        expect(runName).to.match(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
        expect(runName.length).to.be.at.most(63);
        expect(runName).to.match(/-slimfaas-job-[0-9a-z]{8}$/);
      }),
    );
  });

  it('differs when the randomness does, whichever byte it is', () => {
    const names = Array.from({ length: 16 * 255 }, (_, index) =>
      createRunName('fib', (size) => {
        const bytes = new Uint8Array(size);
        bytes[index % 16] = Math.floor(index / 16) + 1;
        return bytes;
      }),
    );
    expect(new Set(names).size).to.equal(names.length);
  });
});
