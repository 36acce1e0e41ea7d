import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { Job } from '../../../src/model/job.ts';
import { host, identifyProcess, type ProcessIdentity } from '../../../src/runner/process/process-identity.ts';
import { createStateRecorder } from '../state-recorder.ts';
import { createProcessFixture, type ProcessFixture } from './process-fixture.ts';

describe('the runs directory', function () {
  // Real processes on a machine that may be busy.
  this.timeout(10_000);
  let fixture: ProcessFixture;
  let recorder = createStateRecorder();
  beforeEach(async () => {
    fixture = await createProcessFixture();
    recorder = createStateRecorder();
  });
  afterEach(() => fixture.close());

  it('has an identity that all its runners share and no other directory has', async () => {
    const place = fixture.createRunner().place();
    expect(fixture.createRunner().place()).to.equal(place);
    const other = await createProcessFixture();
    expect(other.createRunner().place()).to.not.equal(place);
    await other.close();
  });

  it('keeps a removed run from being started again by one who comes late', async () => {
    const job = fixture.job({});
    const runner = fixture.createRunner();
    await runner.open(recorder.record);
    await runner.start(job);
    await recorder.untilEnded(job.runName);
    await runner.remove(job.runName);
    expect(await fixture.createRunner().start(job)).to.include({ started: false, permanent: true });
    expect(await readdir(join(fixture.directory, '.trash'))).to.deep.equal([]);
    expect(await readdir(join(fixture.directory, '.events'))).to.deep.equal([]);
    expect(await fixture.begun(job)).to.deep.equal([1]);
  });

  it('is swept of trash, old tombstones and old half-created runs', async () => {
    const runner = fixture.createRunner();
    await runner.cancel('absent');
    await mkdir(join(fixture.directory, 'half'));
    await writeFile(join(fixture.directory, 'half', 'spec.json.1-1.tmp'), '');
    await mkdir(join(fixture.directory, '.trash', 'gone'));
    await fixture.createRunner().open(recorder.record);
    const left = async () => [
      ...(await readdir(join(fixture.directory, '.tombstones'))),
      ...(await readdir(fixture.directory)).filter((name) => !name.startsWith('.')),
      ...(await readdir(join(fixture.directory, '.trash'))),
    ];
    expect(await left()).to.deep.equal(['absent', 'half']);
    await fixture.createRunner({ now: () => Date.now() + 3_700_000 }).open(recorder.record);
    expect(await left()).to.deep.equal([]);
  });

  it('hides a damaged run from nobody and lets the others go on', async () => {
    await mkdir(join(fixture.directory, 'damaged'), { recursive: true });
    await writeFile(join(fixture.directory, 'damaged', 'spec.json'), '{"format":');
    const job = fixture.job({});
    const runner = fixture.createRunner();
    await runner.open(recorder.record);
    await runner.start(job);
    expect(await recorder.untilEnded(job.runName)).to.include({ status: 'Succeeded' });
    expect(fixture.complaints).to.have.length(1);
    expect(fixture.complaints[0]).to.match(/run_unreadable .*damaged\/spec\.json/);
    await rmDamaged();
  });

  async function rmDamaged(): Promise<void> {
    spawnSync('rm', ['-r', join(fixture.directory, 'damaged')]);
  }

  describe('after the world of its processes has gone', () => {
    /** A run that waits, with its supervisor killed and nobody watching. */
    async function abandonedRun(): Promise<Job> {
      const job = fixture.job({ backoffLimit: 1 });
      const runner = fixture.createRunner({ supervisorPath: '/dev/null' });
      await runner.start(job);
      await runner.close();
      return job;
    }

    function publish(job: Job, name: string, fact: object): Promise<void> {
      return writeFile(join(fixture.directory, job.runName, name), JSON.stringify(fact));
    }

    const strangers: readonly [string, (living: ProcessIdentity) => ProcessIdentity][] = [
      ['another boot', (living) => ({ ...living, bootId: 'earlier' })],
      ['a PID namespace that is gone', (living) => ({ ...living, namespace: '1' })],
      ['a pid that was given to another process', (living) => ({ ...living, startTime: '1' })],
    ];
    for (const [name, disguise] of strangers) {
      it(`does not take for ours a process of ${name}: the run goes on and the stranger lives`, async () => {
        const stranger = spawn('sleep', ['1000'], { detached: true });
        const living = identifyProcess(stranger.pid ?? 0);
        expect(living).to.not.equal(null);
        const job = await abandonedRun();
        const past = living === null ? null : disguise(living);
        await publish(job, 'supervisor-1.json', { process: past });
        await publish(job, 'attempt-1.json', { startedAt: 1000, process: past });
        await fixture.createRunner().open(recorder.record);
        expect(await recorder.untilEnded(job.runName)).to.include({ status: 'Succeeded', attempts: 2 });
        expect(await fixture.begun(job)).to.deep.equal([2]);
        expect([stranger.exitCode, stranger.signalCode]).to.deep.equal([null, null]);
        stranger.kill('SIGKILL');
        await once(stranger, 'exit');
      });
    }

    it('leaves alone what another PID namespace carries, as long as anybody there is alive', async () => {
      const job = await abandonedRun();
      const fifo = join(fixture.directory, '.namespaces', `${host.bootId}.1`);
      spawnSync('mkfifo', [fifo]);
      const held = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
      await publish(job, 'supervisor-1.json', {
        process: { pid: 1, startTime: '1', bootId: host.bootId, namespace: '1' },
      });
      const runner = fixture.createRunner();
      await runner.open(recorder.record);
      await runner.list();
      expect(await readdir(join(fixture.directory, job.runName))).to.not.include('supervisor-2.json');
      closeSync(held);
      expect(await recorder.untilEnded(job.runName)).to.include({ status: 'Succeeded', attempts: 1 });
    });

    it('gives up a run whose supervisors die again and again, and says so', async () => {
      const job = await abandonedRun();
      const dead = { process: { pid: 1, startTime: '1', bootId: 'earlier', namespace: '1' } };
      await publish(job, 'supervisor-12.json', dead);
      await fixture.createRunner().open(recorder.record);
      const state = await recorder.untilEnded(job.runName);
      expect(state).to.include({ status: 'Failed', reason: 'Its supervisor was lost 12 times.' });
      expect(await fixture.begun(job)).to.deep.equal([]);
    });
  });

  it('keeps what a supervisor dies of', async () => {
    const job = fixture.job({});
    await fixture.createRunner({ supervisorPath: '/dev/null' }).start(job);
    const paths = join(fixture.directory, job.runName);
    await writeFile(join(paths, 'supervisor-1.json'), '{');
    const script = new URL('../../../src/runner/process/supervisor.js', import.meta.url).pathname;
    const { status } = spawnSync(process.execPath, [script, fixture.directory, job.runName]);
    expect(status).to.equal(1);
    expect(await readFile(join(paths, 'supervisor-error.txt'), 'utf8')).to.match(
      /supervisor-1\.json" is damaged/,
    );
    spawnSync('rm', ['-r', paths]);
  });
});
