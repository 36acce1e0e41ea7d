import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { Job } from '../../../src/model/job.ts';
import { createStateRecorder } from '../state-recorder.ts';
import { createProcessFixture, isRunning, type ProcessFixture } from './process-fixture.ts';

const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

describe('the process runner under SIGKILL', function () {
  // Real processes on a machine that may be busy.
  this.timeout(10_000);
  let fixture: ProcessFixture;
  let recorder = createStateRecorder();

  beforeEach(async () => {
    fixture = await createProcessFixture();
    recorder = createStateRecorder();
  });
  afterEach(() => fixture.close());

  async function startElsewhere(job: Job, failpoint: string): Promise<NodeJS.Signals | null> {
    const child = fork(pathOf('./start-and-die.js'), [fixture.directory, failpoint, JSON.stringify(job)]);
    const [, signal] = await once(child, 'exit');
    return signal;
  }

  async function supervisorPid(job: Job, generation = 1): Promise<number> {
    const path = join(fixture.directory, job.runName, `supervisor-${generation}.json`);
    return JSON.parse(await readFile(path, 'utf8')).process.pid;
  }

  describe('of the member that starts', () => {
    for (const failpoint of ['start:begun', 'start:directory-made', 'start:spec-written']) {
      it(`at ${failpoint}: there is no run until the next start, which makes it`, async () => {
        const job = fixture.job({});
        expect(await startElsewhere(job, failpoint)).to.equal('SIGKILL');
        const runner = fixture.createRunner();
        await runner.open(recorder.record);
        expect(await runner.list()).to.deep.equal([]);
        expect(await runner.start(job)).to.deep.equal({ started: true });
        expect(await recorder.untilEnded(job.runName)).to.include({ status: 'Succeeded', attempts: 1 });
        expect(await fixture.begun(job)).to.deep.equal([1]);
      });
    }

    for (const failpoint of ['start:spec-published', 'start:supervisor-launched']) {
      it(`at ${failpoint}: whoever opens finds the run and sees it to its end`, async () => {
        const job = fixture.job({});
        expect(await startElsewhere(job, failpoint)).to.equal('SIGKILL');
        await fixture.createRunner().open(recorder.record);
        expect(recorder.states.map(({ runName }) => runName)).to.include(job.runName);
        expect(await recorder.untilEnded(job.runName)).to.include({ status: 'Succeeded', attempts: 1 });
        expect(await fixture.begun(job)).to.deep.equal([1]);
      });
    }

    it('at any failpoint: a cancelled run never begins, whoever starts it again', async () => {
      const job = fixture.job({});
      await startElsewhere(job, 'start:directory-made');
      const runner = fixture.createRunner();
      await runner.open(recorder.record);
      expect(await runner.cancel(job.runName)).to.equal(false);
      expect(await runner.start(job)).to.include({ started: false, permanent: true });
      const other = fixture.job({});
      await startElsewhere(other, 'start:spec-published');
      expect(await fixture.createRunner().cancel(other.runName)).to.equal(true);
      expect((await recorder.untilEnded(other.runName)).reason).to.match(/cancelled/);
      expect(await fixture.begun(job)).to.deep.equal([]);
    });

    it('makes one run when several processes start it at once', async () => {
      const job = fixture.job({});
      await fixture.createRunner().open(recorder.record);
      expect(await Promise.all(['', '', ''].map((none) => startElsewhere(job, none)))).to.deep.equal([
        null,
        null,
        null,
      ]);
      expect(await recorder.untilEnded(job.runName)).to.include({ status: 'Succeeded', attempts: 1 });
      expect(await fixture.begun(job)).to.deep.equal([1]);
      const names = await readdir(join(fixture.directory, job.runName));
      expect(names.filter((name) => name.startsWith('supervisor-'))).to.deep.equal(['supervisor-1.json']);
    });
  });

  describe('of the supervisor', () => {
    /** Attempts of which each may have begun, and the number that are counted in the end. */
    const cases = [
      { failpoint: 'supervisor:begun', begun: [[1]], attempts: 1 },
      { failpoint: 'supervisor:locked', begun: [[1]], attempts: 1 },
      { failpoint: 'attempt:spawned', begun: [[1]], attempts: 1 },
      { failpoint: 'attempt:published', begun: [[2]], attempts: 2 },
      { failpoint: 'attempt:released', begun: [[2], [1, 2]], attempts: 2 },
      { failpoint: 'attempt:exited', begun: [[1, 2]], attempts: 2 },
      { failpoint: 'attempt:ended', begun: [[1]], attempts: 1 },
      { failpoint: 'outcome:published', begun: [[1]], attempts: 1 },
    ];
    for (const { failpoint, begun, attempts } of cases) {
      it(`at ${failpoint}: no attempt begins twice, and ${attempts} counted`, async () => {
        const job = fixture.job({ prints: 'hello', backoffLimit: 1 });
        await writeFile(join(fixture.workDirectory, 'failpoint'), failpoint);
        const runner = fixture.createRunner({ supervisorPath: pathOf('./dying-supervisor.js') });
        await runner.open(recorder.record);
        await runner.start(job);
        expect(await recorder.untilEnded(job.runName)).to.include({ status: 'Succeeded', attempts });
        expect(begun).to.deep.include(await fixture.begun(job));
        expect(await readdir(fixture.workDirectory)).to.include('failpoint.taken');
        expect(fixture.complaints).to.deep.equal([]);
      });
    }

    it('while the command runs: what is left of it is ended before the next attempt', async () => {
      const job = fixture.script(
        [
          'if [ "$SLIMFAAS_ATTEMPT" = 1 ]; then sleep 1000 & echo $! > first-pid; wait; fi',
          'pid=$(cat first-pid); [ ! -e /proc/$pid ] || grep -q ") Z" /proc/$pid/stat',
        ].join('\n'),
        { backoffLimit: 1 },
      );
      await fixture.createRunner().open(recorder.record);
      await fixture.createRunner().start(job);
      await untilFile(join(fixture.workDirectory, 'first-pid'));
      process.kill(await supervisorPid(job), 'SIGKILL');
      expect(await recorder.untilEnded(job.runName)).to.include({ status: 'Succeeded', attempts: 2 });
      expect(await fixture.begun(job)).to.deep.equal([1, 2]);
    });

    it('says that the attempt was lost when there is no other one', async () => {
      const job = fixture.job({ waits: true });
      const runner = fixture.createRunner();
      await runner.open(recorder.record);
      await runner.start(job);
      await recorder.until(job.runName, ({ status }) => status === 'Running');
      process.kill(await supervisorPid(job), 'SIGKILL');
      const state = await recorder.untilEnded(job.runName);
      expect(state).to.include({ status: 'Failed', exitCode: null, attempts: 1 });
      expect(state.reason).to.equal('Attempt 1 of 1 was lost with its supervisor.');
    });

    it('and then a cancellation: nothing of the run is alive when it is answered', async () => {
      const job = fixture.script('sleep 1000 & echo $! > child-pid; sleep 1000', { backoffLimit: 5 });
      const runner = fixture.createRunner();
      await runner.open(recorder.record);
      await runner.start(job);
      await recorder.until(job.runName, ({ status }) => status === 'Running');
      await runner.close();
      const child = await untilFile(join(fixture.workDirectory, 'child-pid'));
      process.kill(await supervisorPid(job), 'SIGKILL');
      expect(await fixture.createRunner().cancel(job.runName)).to.equal(true);
      expect(await isRunning(child)).to.equal(false);
      expect(await fixture.begun(job)).to.deep.equal([1]);
    });
  });
});

/** Content of a file that a command is about to write. */
async function untilFile(path: string): Promise<string> {
  for (;;) {
    const text = await readFile(path, 'utf8').catch(() => '');
    if (text.endsWith('\n')) return text.trim();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
