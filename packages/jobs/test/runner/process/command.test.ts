import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { Job } from '../../../src/model/job.ts';
import type { ProcessRunner } from '../../../src/runner/process/process-runner.ts';
import type { RunState } from '../../../src/runner/runner.ts';
import { createStateRecorder } from '../state-recorder.ts';
import { createJob, createProcessFixture, isRunning, type ProcessFixture } from './process-fixture.ts';

describe('a command of the process runner', function () {
  // Real processes on a machine that may be busy.
  this.timeout(10_000);
  let fixture: ProcessFixture;
  let recorder = createStateRecorder();

  beforeEach(async () => {
    fixture = await createProcessFixture();
    recorder = createStateRecorder();
  });
  afterEach(() => fixture.close());

  async function run(job: Job, runner = fixture.createRunner()): Promise<RunState> {
    await runner.open(recorder.record);
    expect(await runner.start(job)).to.deep.equal({ started: true });
    return recorder.untilEnded(job.runName);
  }

  async function output(job: Job, runner: ProcessRunner = fixture.createRunner()): Promise<string> {
    const stream = await runner.logs(job.runName, { follow: false, signal: new AbortController().signal });
    return stream === null ? '' : text(stream);
  }

  it('sees its own variables and the facts of its run, and no setting of the member', async () => {
    const environment = {
      PATH: process.env['PATH'],
      TZ: 'Europe/Paris',
      SlimFaas__InternalToken: 'token-that-leaks',
      SlimData__ClusterSecret: 'secret-that-leaks',
      AWS_SECRET_ACCESS_KEY: 'key-that-leaks',
    };
    const job = createJob({
      command: ['env'],
      environments: [
        { name: 'COLOUR', value: 'a b=c\n"d"' },
        { name: 'Logging.Level', value: 'x y' },
      ],
    });
    await run(job, fixture.createRunner({ environment }));
    const seen = await output(job);
    expect(seen).to.not.match(/leaks|UV_THREADPOOL_SIZE/);
    for (const line of [
      'TZ=Europe/Paris',
      'COLOUR=a b=c\n"d"',
      'Logging.Level=x y',
      `SLIMFAAS_JOB_ID=${job.id}`,
      'SLIMFAAS_JOB_NAME=probe',
      `SLIMFAAS_RUN_NAME=${job.runName}`,
      'SLIMFAAS_ATTEMPT=1',
    ]) {
      expect(seen).to.include(`${line}\n`);
    }
  });

  it('is carried by a supervisor that sees no setting of the member either', async () => {
    const job = fixture.job({ waits: true });
    const runner = fixture.createRunner({
      environment: { PATH: process.env['PATH'], SlimFaas__InternalToken: 'token-that-leaks' },
    });
    await runner.open(recorder.record);
    await runner.start(job);
    await recorder.until(job.runName, ({ status }) => status === 'Running');
    const { pid } = JSON.parse(
      await readFile(join(fixture.directory, job.runName, 'supervisor-1.json'), 'utf8'),
    ).process;
    const names = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0').filter(Boolean);
    expect(names.map((line) => line.split('=')[0])).to.have.members(['PATH', 'UV_THREADPOOL_SIZE']);
  });

  it('takes arguments as they are', async () => {
    const job = createJob({ command: ['printf'], args: ['<%s>', 'a b', '', '$HOME', "it's", '-n', 'ü'] });
    await run(job);
    expect(await output(job)).to.equal("<a b><><$HOME><it's><-n><ü>");
  });

  it('may write to /dev/stdout and /dev/stderr, in one order', async () => {
    const job = fixture.script(
      'for i in 1 2 3; do cat /dev/null; echo out$i | cat > /dev/stdout; echo err$i | cat > /dev/stderr; done',
    );
    await run(job);
    expect(await output(job)).to.equal('out1\nerr1\nout2\nerr2\nout3\nerr3\n');
  });

  it('keeps the beginning and the end of its output, and says how much was cut', async () => {
    const job = fixture.script('i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i + 1)); done');
    await run(job, fixture.createRunner({ logBytesMax: 4096 }));
    const seen = await output(job);
    const whole = Array.from({ length: 3000 }, (_, index) => `line ${index}\n`).join('');
    const [, before = '', cut = '', after = ''] =
      seen.match(/^([^[]*)\n\[slimfaas: (\d+) bytes of output were cut here\]\n([^[]*)$/) ?? [];
    expect(whole.startsWith(before)).to.equal(true);
    expect(whole.endsWith(after)).to.equal(true);
    expect(before.length + Number(cut) + after.length).to.equal(whole.length);
    expect(before.length + after.length).to.be.within(3072, 4096);
  });

  it('is ended as failed when ActiveDeadlineSeconds are over, retries included', async () => {
    const job = fixture.script('[ $SLIMFAAS_ATTEMPT = 1 ] && exit 1; sleep 1000', {
      activeDeadlineSeconds: 0.3,
      backoffLimit: 5,
    });
    const state = await run(job);
    expect(state).to.include({ status: 'Failed', attempts: 2, exitCode: null });
    expect(state.reason).to.equal('It ran longer than ActiveDeadlineSeconds 0.3.');
    expect(state.finishTimestamp - state.startTimestamp).to.be.at.least(300);
    expect(await fixture.begun(job)).to.deep.equal([1, 2]);
  });

  it('is failed by the deadline although it ends politely when told to', async () => {
    const job = fixture.script("trap 'exit 0' TERM; while :; do sleep 0.02; done", {
      activeDeadlineSeconds: 0.2,
    });
    expect(await run(job)).to.include({ status: 'Failed', exitCode: 0 });
  });

  it('is told to end, and given the grace to do so', async () => {
    const job = fixture.script(
      "trap 'sleep 0.1; echo tidy; exit 0' TERM; echo ready; while :; do sleep 0.02; done",
    );
    const runner = fixture.createRunner();
    await startUntilOutput(runner, job);
    await runner.cancel(job.runName);
    expect(await output(job)).to.match(/^ready\n(Terminated\n)?tidy\n$/);
  });

  it('is killed after the grace, with everything in its session', async () => {
    const job = fixture.script(
      [
        "trap '' TERM",
        'sh -c "trap \\"\\" TERM; sleep 1000" & echo $! >> pids',
        'set -m; sleep 1001 & echo $! >> pids',
        'echo $$ >> pids; echo ready; while :; do sleep 0.02; done',
      ].join('\n'),
    );
    const runner = fixture.createRunner();
    await startUntilOutput(runner, job);
    expect(await runner.cancel(job.runName)).to.equal(true);
    const pids = (await readFile(join(fixture.workDirectory, 'pids'), 'utf8')).trim().split('\n');
    expect(pids).to.have.length(3);
    for (const pid of pids) expect(await isRunning(pid)).to.equal(false);
    expect(await fixture.begun(job)).to.deep.equal([1]);
  });

  it('leaves nothing behind when it ends by itself', async () => {
    const job = fixture.script('sleep 1000 & echo $! > left-pid; exit 0');
    expect(await run(job)).to.include({ status: 'Succeeded' });
    const pid = (await readFile(join(fixture.workDirectory, 'left-pid'), 'utf8')).trim();
    expect(await isRunning(pid)).to.equal(false);
  });

  it('that a signal ends has no exit code', async () => {
    const state = await run(fixture.script('kill -SEGV $$'));
    expect(state).to.include({ status: 'Failed', exitCode: null });
    expect(state.reason).to.equal('Attempt 1 of 1 was ended by signal SIGSEGV.');
  });

  it('that is not found fails with 127 and says so, in the log too', async () => {
    const job = createJob({ command: ['no-such-program'], backoffLimit: 1 });
    const state = await run(job, fixture.createRunner({ environment: { PATH: '/usr/bin:/bin' } }));
    expect(state).to.include({ status: 'Failed', exitCode: 127, attempts: 2 });
    expect(state.reason).to.match(
      /^Attempt 2 of 2 .*"no-such-program" was not found in PATH "\/usr\/bin:\/bin"/,
    );
    expect(await output(job)).to.match(/^\[slimfaas: program "no-such-program" was not found/);
  });

  it('that is not executable fails with 126', async () => {
    await writeFile(join(fixture.workDirectory, 'script'), '#!/bin/sh\n');
    const state = await run(createJob({ command: ['./script'] }));
    expect(state).to.include({ status: 'Failed', exitCode: 126 });
    expect(state.reason).to.match(/script" is not executable\.$/);
  });

  it('may be relative to the working directory', async () => {
    await writeFile(join(fixture.workDirectory, 'script'), '#!/bin/sh\necho from $(pwd)\n');
    await chmod(join(fixture.workDirectory, 'script'), 0o755);
    const job = createJob({ command: ['./script'] });
    expect(await run(job)).to.include({ status: 'Succeeded' });
    expect(await output(job)).to.equal(`from ${fixture.workDirectory}\n`);
  });

  async function startUntilOutput(runner: ProcessRunner, job: Job): Promise<void> {
    await runner.open(recorder.record);
    await runner.start(job);
    const signal = new AbortController().signal;
    for await (const _ of (await runner.logs(job.runName, { follow: true, signal })) ?? []) break;
  }
});
