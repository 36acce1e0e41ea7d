import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { Job } from '../../src/model/job.ts';
import type { Runner } from '../../src/runner/runner.ts';
import { createStateRecorder } from './state-recorder.ts';

/** What the command of a job does, after it has noted that it began. */
export interface Behaviour {
  readonly prints?: string;
  /** Waits until `release`, and then prints "released". */
  readonly waits?: boolean;
  /** Exit codes of the attempts in order, the last one for all further ones; 0 when absent. */
  readonly exits?: readonly number[];
  readonly backoffLimit?: number;
}

/** A platform with nothing on it, and jobs that it can run. */
export interface RunnerFixture {
  /** A further runner on this platform, as another member would have it. Closed with the fixture. */
  createRunner(): Runner;
  job(behaviour: Behaviour): Job;
  /** One number per time that the command really began, in order: that of the attempt. */
  begun(job: Job): Promise<readonly number[]>;
  release(job: Job): Promise<void>;
  close(): Promise<void>;
}

/** What every runner has to do, whatever the platform. */
export function describeRunner(name: string, createFixture: () => Promise<RunnerFixture>): void {
  describe(`${name} as a runner`, function () {
    // Real processes on a machine that may be busy.
    this.timeout(10_000);
    let fixture: RunnerFixture;
    let runner: Runner;
    let recorder = createStateRecorder();

    beforeEach(async () => {
      fixture = await createFixture();
      runner = fixture.createRunner();
      recorder = createStateRecorder();
    });
    afterEach(() => fixture.close());

    async function openAndStart(behaviour: Behaviour): Promise<Job> {
      const job = fixture.job(behaviour);
      await runner.open(recorder.record);
      expect(await runner.start(job)).to.deep.equal({ started: true });
      return job;
    }

    const untilRunning = (job: Job) => recorder.until(job.runName, ({ status }) => status === 'Running');
    const read = async (job: Job, follow: boolean, signal = new AbortController().signal) => {
      const stream = await runner.logs(job.runName, { follow, signal });
      return stream === null ? null : text(stream);
    };

    describe('start', () => {
      it('runs the command once and reports how it ended', async () => {
        const job = await openAndStart({ exits: [0] });
        const state = await recorder.untilEnded(job.runName);
        expect(state).to.include({
          jobId: job.id,
          jobName: job.name,
          status: 'Succeeded',
          exitCode: 0,
          attempts: 1,
        });
        expect(state.startTimestamp).to.be.greaterThan(0);
        expect(state.finishTimestamp).to.be.at.least(state.startTimestamp);
        expect(await fixture.begun(job)).to.deep.equal([1]);
      });

      it('makes one run of many starts of the same job, at once, later and after its end', async () => {
        const job = fixture.job({ waits: true });
        const other = fixture.createRunner();
        await runner.open(recorder.record);
        const starts = [runner, other, runner, other].map((one) => one.start(job));
        for (const outcome of await Promise.all(starts)) expect(outcome).to.deep.equal({ started: true });
        await untilRunning(job);
        expect(await other.start(job)).to.deep.equal({ started: true });
        await fixture.release(job);
        await recorder.untilEnded(job.runName);
        expect(await runner.start(job)).to.deep.equal({ started: true });
        expect(await fixture.begun(job)).to.deep.equal([1]);
        expect(await runner.list()).to.have.length(1);
      });

      it('says that the name is taken when the run belongs to another job', async () => {
        const job = await openAndStart({});
        const other = { ...fixture.job({}), runName: job.runName };
        expect(await runner.start(other)).to.deep.equal({ started: false, nameTaken: true });
        await recorder.untilEnded(job.runName);
        expect(await fixture.begun(job)).to.deep.equal([1]);
      });
    });

    describe('outcomes', () => {
      it('reports the exit code of a failure', async () => {
        const job = await openAndStart({ exits: [3] });
        const state = await recorder.untilEnded(job.runName);
        expect(state).to.include({ status: 'Failed', exitCode: 3, attempts: 1 });
        expect(state.reason).to.be.a('string').and.not.equal('');
      });

      it('tries again after a failure until an attempt succeeds', async () => {
        const job = await openAndStart({ exits: [1, 2, 0], backoffLimit: 5 });
        const state = await recorder.untilEnded(job.runName);
        expect(state).to.include({ status: 'Succeeded', exitCode: 0, attempts: 3 });
        expect(await fixture.begun(job)).to.deep.equal([1, 2, 3]);
      });

      it('gives up after as many retries as BackoffLimit says', async () => {
        const job = await openAndStart({ exits: [7], backoffLimit: 2 });
        const state = await recorder.untilEnded(job.runName);
        expect(state).to.include({ status: 'Failed', exitCode: 7, attempts: 3 });
        expect(await fixture.begun(job)).to.deep.equal([1, 2, 3]);
      });
    });

    describe('watching', () => {
      it('reports running before ended, and nothing after the outcome', async () => {
        const job = await openAndStart({ waits: true });
        expect(await untilRunning(job)).to.include({ finishTimestamp: -1, exitCode: null });
        await fixture.release(job);
        await recorder.untilEnded(job.runName);
        await runner.list();
        const statuses = recorder.states.map(({ status }) => status);
        expect(statuses.lastIndexOf('Running')).to.be.lessThan(statuses.indexOf('Succeeded'));
        expect(statuses.filter((status) => status === 'Succeeded')).to.have.length(1);
      });

      it('reports runs that another runner begins', async () => {
        const job = fixture.job({});
        await runner.open(recorder.record);
        await fixture.createRunner().start(job);
        expect(await recorder.untilEnded(job.runName)).to.include({ status: 'Succeeded' });
      });

      it('adopts a run whose runner is closed, reporting it before open resolves', async () => {
        const job = await openAndStart({ waits: true });
        await untilRunning(job);
        await runner.close();
        const adopter = createStateRecorder();
        await fixture.createRunner().open(adopter.record);
        expect(adopter.states.map(({ runName, status }) => [runName, status])).to.deep.equal([
          [job.runName, 'Running'],
        ]);
        await fixture.release(job);
        expect(await adopter.untilEnded(job.runName)).to.include({ status: 'Succeeded', attempts: 1 });
        expect(await fixture.begun(job)).to.deep.equal([1]);
        expect(recorder.states.some(({ status }) => status === 'Succeeded')).to.equal(false);
      });

      it('reports what ended while nobody watched', async () => {
        const job = await openAndStart({ waits: true });
        await untilRunning(job);
        await runner.close();
        await fixture.release(job);
        const witness = createStateRecorder();
        await fixture.createRunner().open(witness.record);
        await witness.untilEnded(job.runName);
        const late = createStateRecorder();
        await fixture.createRunner().open(late.record);
        expect(late.states).to.deep.equal(await runner.list());
        expect(late.states[0]).to.include({ runName: job.runName, status: 'Succeeded' });
      });
    });

    describe('cancel', () => {
      it('ends what runs, also when another runner began it', async () => {
        const job = await openAndStart({ waits: true, backoffLimit: 3 });
        await untilRunning(job);
        expect(await fixture.createRunner().cancel(job.runName)).to.equal(true);
        const state = await recorder.untilEnded(job.runName);
        expect(state.status).to.equal('Failed');
        expect(state.reason).to.match(/cancelled/);
        expect(await fixture.begun(job)).to.have.length.at.most(1);
      });

      it('ends a run that is just being started', async () => {
        const job = fixture.job({ waits: true });
        await runner.open(recorder.record);
        const [outcome] = await Promise.all([runner.start(job), runner.cancel(job.runName)]);
        if (outcome.started) expect(await runner.cancel(job.runName)).to.equal(true);
        const states = await runner.list();
        expect(states.filter(({ finishTimestamp }) => finishTimestamp < 0)).to.deep.equal([]);
        expect(await fixture.begun(job)).to.have.length.at.most(1);
      });

      it('ends a run between two attempts', async () => {
        const job = fixture.job({ exits: [1], backoffLimit: 1000 });
        await runner.open(recorder.record);
        await runner.start(job);
        await recorder.until(job.runName, ({ attempts }) => attempts >= 1);
        expect(await runner.cancel(job.runName)).to.equal(true);
        const begun = await fixture.begun(job);
        const state = await recorder.untilEnded(job.runName);
        expect(state).to.include({ status: 'Failed', attempts: begun.length });
      });

      it('leaves the outcome of what has ended', async () => {
        const job = await openAndStart({});
        const state = await recorder.untilEnded(job.runName);
        expect(await runner.cancel(job.runName)).to.equal(true);
        expect(await runner.list()).to.deep.equal([state]);
      });

      it('says false for what does not exist', async () => {
        expect(await runner.cancel(fixture.job({}).runName)).to.equal(false);
      });

      it('is the same when done twice at once', async () => {
        const job = await openAndStart({ waits: true });
        await untilRunning(job);
        const both = [runner.cancel(job.runName), fixture.createRunner().cancel(job.runName)];
        expect(await Promise.all(both)).to.deep.equal([true, true]);
      });
    });

    describe('remove', () => {
      it('leaves nothing of a run that has ended', async () => {
        const job = await openAndStart({ prints: 'hello' });
        await recorder.untilEnded(job.runName);
        await runner.remove(job.runName);
        expect(await runner.list()).to.deep.equal([]);
        expect(await read(job, false)).to.equal(null);
        await runner.remove(job.runName);
      });

      it('minds nothing where there is nothing', async () => {
        await runner.remove(fixture.job({}).runName);
        expect(await runner.list()).to.deep.equal([]);
      });
    });

    describe('logs', () => {
      it('gives the output of what has ended', async () => {
        const job = await openAndStart({ prints: 'hello' });
        await recorder.untilEnded(job.runName);
        expect(await read(job, false)).to.equal('hello\n');
        expect(await read(job, true)).to.equal('hello\n');
      });

      it('gives what there is so far, or follows to the end', async () => {
        const job = await openAndStart({ prints: 'hello', waits: true });
        const stream = await runner.logs(job.runName, {
          follow: true,
          signal: new AbortController().signal,
        });
        expect(stream).to.not.equal(null);
        let seen = '';
        for await (const chunk of stream ?? []) {
          if (seen === '') {
            expect(await read(job, false)).to.equal('hello\n');
            await fixture.release(job);
          }
          seen += chunk;
        }
        expect(seen).to.equal('hello\nreleased\n');
      });

      it('stops following when told to', async () => {
        const job = await openAndStart({ waits: true });
        await untilRunning(job);
        const controller = new AbortController();
        const followed = read(job, true, controller.signal);
        controller.abort();
        expect(await followed).to.equal('');
      });

      it('is null for what does not exist', async () => {
        expect(await read(fixture.job({}), false)).to.equal(null);
      });
    });
  });
}
