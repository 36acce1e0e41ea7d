import { Readable } from 'node:stream';
import type { Job } from '../../src/model/job.ts';
import { type Runner, RunnerError, type RunState, type StartOutcome } from '../../src/runner/runner.ts';

/** A platform in memory whose runs end when the test says so, and whose answers the test can replace. */
export class TestRunner implements Runner {
  readonly kind = 'Process';
  /** Run names in the order of the `start` calls, repeats included. */
  readonly starts: string[] = [];
  readonly cancels: string[] = [];
  readonly removes: string[] = [];
  /** Most runs of one job name that were alive at once. */
  readonly mostAlive = new Map<string, number>();
  /** Asked before a run is created; null = go on. */
  beforeStart: (job: Job) => Promise<StartOutcome | null> = async () => null;
  listFailure: RunnerError | null = null;
  removeFailure: (runName: string) => RunnerError | null = () => null;
  readonly #runs = new Map<string, RunState>();
  readonly #waiting = new Set<() => void>();
  #onState: (state: RunState) => void = () => {};

  get runs(): readonly RunState[] {
    return [...this.#runs.values()];
  }

  async open(onState: (state: RunState) => void): Promise<void> {
    this.#onState = onState;
  }

  async start(job: Job): Promise<StartOutcome> {
    this.starts.push(job.runName);
    this.#told(null);
    const answer = await this.beforeStart(job);
    if (answer !== null) return this.#told(answer);
    const existing = this.#runs.get(job.runName);
    if (existing !== undefined && existing.jobId !== job.id)
      return this.#told({ started: false, nameTaken: true });
    if (existing === undefined) this.put({ runName: job.runName, jobId: job.id, jobName: job.name });
    return this.#told({ started: true });
  }

  async list(): Promise<readonly RunState[]> {
    if (this.listFailure !== null) throw this.listFailure;
    return this.runs;
  }

  async cancel(runName: string): Promise<boolean> {
    this.cancels.push(runName);
    const run = this.#runs.get(runName);
    if (run?.finishTimestamp === -1) this.put({ ...run, status: 'Failed', finishTimestamp: 9 });
    return this.#told(run !== undefined);
  }

  async remove(runName: string): Promise<void> {
    const failure = this.removeFailure(runName);
    if (failure !== null) throw failure;
    this.removes.push(runName);
    this.#runs.delete(runName);
    this.#told(null);
  }

  async logs(runName: string): Promise<Readable | null> {
    return this.#runs.has(runName) ? Readable.from([`output of ${runName}\n`]) : null;
  }

  async close(): Promise<void> {}

  /** Puts a run on the platform, or changes it, and reports it. */
  put(state: Pick<RunState, 'runName' | 'jobId' | 'jobName'> & Partial<RunState>): void {
    const full: RunState = {
      status: 'Running',
      startTimestamp: 5,
      finishTimestamp: -1,
      exitCode: null,
      reason: null,
      attempts: 1,
      ...state,
    };
    this.#runs.set(full.runName, full);
    this.#countAlive(full.jobName);
    this.#onState(full);
    this.#told(null);
  }

  /** Ends a run. */
  finish(runName: string, exitCode = 0): void {
    const run = this.#runs.get(runName);
    if (run === undefined) throw new RunnerError('refused', `no run ${runName}`);
    this.put({ ...run, status: exitCode === 0 ? 'Succeeded' : 'Failed', finishTimestamp: 9, exitCode });
  }

  /** Takes a run away without a word, as a careless operator would. */
  lose(runName: string): void {
    this.#runs.delete(runName);
  }

  /** Resolves once the condition holds, looked at after every call. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  #countAlive(jobName: string): void {
    const alive = this.runs.filter((run) => run.jobName === jobName && run.finishTimestamp === -1).length;
    this.mostAlive.set(jobName, Math.max(alive, this.mostAlive.get(jobName) ?? 0));
  }

  #told<T>(answer: T): T {
    for (const look of this.#waiting) look();
    return answer;
  }
}
