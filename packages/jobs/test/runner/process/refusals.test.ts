import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { JobSpec } from '../../../src/model/job.ts';
import { createJob, createProcessFixture, type ProcessFixture } from './process-fixture.ts';

describe('what the process runner refuses', function () {
  // Real processes on a machine that may be busy.
  this.timeout(10_000);
  let fixture: ProcessFixture;
  beforeEach(async () => {
    fixture = await createProcessFixture();
  });
  afterEach(() => fixture.close());

  const cases: readonly [string, Partial<JobSpec>, string][] = [
    [
      'a job without Command',
      {},
      'The Process orchestrator runs a program, and the definition of job "probe" names none; set its key "Command".',
    ],
    [
      'a job with an empty Command',
      { command: [] },
      'The Process orchestrator runs a program, and the definition of job "probe" names none; set its key "Command".',
    ],
    [
      'a reference',
      {
        command: ['env'],
        environments: [{ name: 'TOKEN', reference: { kind: 'SecretRef', name: 'vault', key: 'token' } }],
      },
      'Environment variable "TOKEN" of job "probe" is a SecretRef, which the Process orchestrator cannot resolve; ' +
        'give its "Value".',
    ],
    [
      'Kubernetes-only keys',
      { command: ['env'], platform: { Volumes: [], NodeSelector: {} } },
      'The Process orchestrator cannot apply "Volumes", "NodeSelector"; remove them from the definition of job "probe".',
    ],
    [
      'a variable name that no environment can hold',
      { command: ['env'], environments: [{ name: 'A=B', value: '' }] },
      'Environment variable name "A=B" cannot be used.',
    ],
    [
      'a NUL in an argument',
      { command: ['env'], args: ['a\0b'] },
      'A NUL character stands in "Command", "Args" or "Environments"; a program cannot be given one.',
    ],
  ];
  for (const [name, spec, reason] of cases) {
    it(`is ${name}, for good and with the reason`, async () => {
      const outcome = await fixture.createRunner().start(createJob(spec));
      expect(outcome).to.deep.equal({ started: false, permanent: true, reason });
    });
  }

  it('is a run name that leads out of the runs directory', async () => {
    const runner = fixture.createRunner();
    const job = { ...fixture.job({}), runName: '../outside' };
    expect(await runner.start(job)).to.include({ started: false, permanent: true });
    expect(await runner.cancel('../outside')).to.equal(false);
    expect(await runner.logs('../outside', { follow: false, signal: AbortSignal.abort() })).to.equal(null);
    await runner.remove('../outside');
    expect(existsSync(`${fixture.directory}/../outside`)).to.equal(false);
  });

  it('does not include limits of cpu and memory, which are not enforced', async () => {
    const job = fixture.script('exit 0', {
      resources: { requests: { cpu: '1' }, limits: { memory: '1Mi' } },
    });
    expect(await fixture.createRunner().start(job)).to.deep.equal({ started: true });
  });

  it('is to remove what runs', async () => {
    const job = fixture.job({ waits: true });
    const runner = fixture.createRunner();
    await runner.start(job);
    const error = await runner.remove(job.runName).catch((thrown: unknown) => thrown);
    expect(error).to.include({ name: 'RunnerError', code: 'refused' });
    expect(await runner.list()).to.have.length(1);
  });
});
