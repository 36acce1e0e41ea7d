import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { type Cluster, type MemberProcess, waitFor } from './cluster.ts';
import { checkHistory } from './linearizability/checker.ts';
import { History } from './linearizability/history.ts';
import {
  type JobLifeInput,
  type JobLifeOutput,
  jobLifeModel,
  type SeenStatus,
} from './linearizability/job-life-model.ts';

/** Each run leaves two lines: its job id and its own token when it begins, and again when it ends. */
const program =
  'echo "begin $SLIMFAAS_JOB_ID $1" >> "$RUN_FILE"; sleep "$SECONDS_EACH"; echo "end $SLIMFAAS_JOB_ID $1" >> "$RUN_FILE"';

/** Runs at once, at most. */
export const cap = 4;

/** Job configuration with the one job of a load, `append`, beside what else a test needs. */
export function loadConfiguration(others: Readonly<Record<string, object>> = {}): string {
  return JSON.stringify({
    Configurations: {
      append: {
        Command: ['sh', '-c', program, 'append'],
        Image: 'none',
        Visibility: 'Public',
        NumberParallelJob: cap,
        TtlSecondsAfterFinished: 3600,
        HistoryLimit: 1000,
        BackoffLimit: 3,
      },
      ...others,
    },
  });
}

export interface ListedJob {
  readonly Id: string;
  readonly Name: string;
  readonly Status: Exclude<SeenStatus, null>;
  readonly Attempts?: number;
}

/** The answer to one POST: `code` is that of the problem, `unreachable` when there was no answer. */
export interface PostAnswer {
  readonly status: number;
  readonly code: string | null;
  readonly ms: number;
}

export interface LoadOptions {
  /** How long each run takes. */
  readonly secondsEach: number;
}

/** Posts jobs to a cluster and looks at them through all members, and in the end tells whether all went right. */
export class JobLoad {
  /** Token -> job id. */
  readonly accepted = new Map<string, string>();
  readonly #cluster: Cluster;
  readonly #options: LoadOptions;
  readonly #runFile: string;
  readonly #history = new History<JobLifeInput, JobLifeOutput>();
  #tokens = 0;
  #looks = 0;

  constructor(cluster: Cluster, options: LoadOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#runFile = path.join(cluster.directory, 'run-file');
  }

  newToken(): string {
    this.#tokens += 1;
    return `token-${this.#tokens}`;
  }

  /** One try. The token is the job's `Idempotency-Key`, so that it may be tried again whatever is answered. */
  async post(member: MemberProcess, token: string): Promise<PostAnswer> {
    const begin = performance.now();
    const end = this.#history.begin(`post to ${member.name}`, token, { call: 'post' });
    const answer = await this.#tryPost(member, token);
    const ms = performance.now() - begin;
    if (answer.id !== null) {
      const known = this.accepted.get(token) ?? answer.id;
      expect(answer.id, `id of ${token}, posted again`).to.equal(known);
      this.accepted.set(token, answer.id);
      end({ output: 'accepted' });
    } else {
      end(answer.code === 'unavailable' ? 'nothing' : 'unknown');
    }
    return { status: answer.status, code: answer.code, ms };
  }

  async #tryPost(
    member: MemberProcess,
    token: string,
  ): Promise<{ status: number; code: string | null; id: string | null }> {
    const environment = { RUN_FILE: this.#runFile, SECONDS_EACH: String(this.#options.secondsEach) };
    const body = JSON.stringify({
      Args: [token],
      Environments: Object.entries(environment).map(([name, value]) => ({ name, value })),
    });
    const headers = { 'Idempotency-Key': token };
    try {
      const response = await member.fetch('/job/append', { method: 'POST', body, headers });
      const { status } = response;
      const answer = (await response.json()) as { Id?: string; code?: string };
      return status === 202
        ? { status, code: null, id: answer.Id ?? '' }
        : { status, code: answer.code ?? '', id: null };
    } catch (error) {
      // The connection was refused, reset or too slow: what became of the request is not known.
      expect(error).to.be.instanceOf(Error);
      return { status: 0, code: 'unreachable', id: null };
    }
  }

  /** Posts a job to the members in turn until one accepts it. */
  async postUntilAccepted(first = 0): Promise<void> {
    const token = this.newToken();
    const { members } = this.#cluster;
    let turn = first;
    await waitFor(`${token} to be accepted`, 60_000, async () => {
      const answer = await this.post(members[turn % members.length] as MemberProcess, token);
      turn += 1;
      return answer.status === 202;
    });
  }

  /** Posts so many jobs, several at once. */
  async postAll(count: number): Promise<void> {
    for (let first = 0; first < count; first += 8) {
      const batch = Array.from({ length: Math.min(8, count - first) }, (_, n) => first + n);
      await Promise.all(batch.map((n) => this.postUntilAccepted(n)));
    }
  }

  /** Looks at random accepted jobs through random members, over and over, until the signal fires. */
  async watch(signal: AbortSignal): Promise<void> {
    const looker = async (member: MemberProcess): Promise<void> => {
      while (!signal.aborted) {
        await delay(20);
        const tokens = [...this.accepted.keys()];
        const token = tokens[Math.floor(Math.random() * tokens.length)];
        if (token !== undefined) {
          await this.#look(member, token);
        }
      }
    };
    await Promise.all(this.#cluster.members.flatMap((member) => [looker(member), looker(member)]));
  }

  async #look(member: MemberProcess, token: string): Promise<void> {
    const end = this.#history.begin(`look at ${member.name}`, token, { call: 'get' });
    const route = `/job/append/${this.accepted.get(token)}`;
    const response = await member.fetch(route).catch(() => null);
    if (response === null || (response.status !== 200 && response.status !== 404)) {
      end('nothing');
      return;
    }
    const job = (await response.json().catch(() => null)) as ListedJob | null;
    this.#looks += 1;
    end(job === null ? 'nothing' : { output: { status: response.status === 404 ? null : job.Status } });
  }

  async list(member: MemberProcess): Promise<ListedJob[]> {
    const response = await member.fetch('/job/append');
    return response.status === 200 ? ((await response.json()) as ListedJob[]) : [];
  }

  /** Lines that runs have written so far, split into words: `begin` or `end`, job id, token. */
  async lines(): Promise<readonly (readonly string[])[]> {
    const text = await readFile(this.#runFile, 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => (line === '' ? [] : [line.split(' ')]));
  }

  /** Ids of jobs that have begun and not ended yet. */
  async runningIds(): Promise<string[]> {
    const lines = await this.lines();
    const ended = new Set(lines.filter(([what]) => what === 'end').map(([, id]) => id));
    return lines.flatMap(([what, id]) =>
      what === 'begin' && id !== undefined && !ended.has(id) ? [id] : [],
    );
  }

  /** Until some run and others wait. */
  async waitUntilBusy(): Promise<void> {
    await waitFor('jobs to run while others wait', 20_000, async () => {
      const running = (await this.runningIds()).length;
      const begun = (await this.lines()).filter(([what]) => what === 'begin').length;
      return running > 1 && begun < this.accepted.size;
    });
  }

  /**
   * Waits until everything has ended, then: nothing accepted is lost, everything ran exactly once to its end, the cap
   * was kept, all members tell the same, no repeat of a request makes another job, and every look at every job was
   * linearizable.
   */
  async expectAllRight(): Promise<void> {
    await this.#cluster.waitUntilReady();
    const [first, second, third] = this.#cluster.members as [MemberProcess, MemberProcess, MemberProcess];
    const jobs = await waitFor('every job to finish', 60_000, async () => {
      const listed = await this.list(first);
      const isOver = listed.every(({ Status }) => Status === 'Succeeded' || Status === 'Failed');
      return listed.length >= this.accepted.size && isOver ? listed : null;
    });
    expect(await this.list(second), 'members agree').to.deep.equal(jobs);
    expect(await this.list(third), 'members agree').to.deep.equal(jobs);
    expect(jobs.map((job) => job.Id)).to.have.members([...this.accepted.values()]);
    expect(jobs.filter((job) => job.Status !== 'Succeeded' || job.Attempts !== 1)).to.deep.equal([]);
    await this.#expectRepeatsChangeNothing(jobs);
    this.#expectRunOnce(await this.lines());
    const { verdict, explanation, operations } = checkHistory(jobLifeModel, this.#history.operations);
    expect(verdict, explanation).to.equal('linearizable');
    const told = `${jobs.length} jobs, ${this.#looks} looks, ${operations} calls: ${verdict}`;
    process.stdout.write(`      ${told}\n`);
    for (const member of this.#cluster.members) {
      expect(member.unexpectedEnds, await member.lastOutput()).to.deep.equal([]);
    }
  }

  /** Every request sent once more, to some member, is answered with the job that it made. */
  async #expectRepeatsChangeNothing(jobs: readonly ListedJob[]): Promise<void> {
    const { members } = this.#cluster;
    for (const [n, token] of [...this.accepted.keys()].entries()) {
      const { status } = await this.post(members[n % members.length] as MemberProcess, token);
      expect(status, `${token}, posted again`).to.equal(202);
    }
    expect(await this.list(members[0] as MemberProcess), 'after repeats').to.deep.equal(jobs);
  }

  #expectRunOnce(lines: readonly (readonly string[])[]): void {
    for (const what of ['begin', 'end']) {
      const told = lines.filter(([word]) => word === what).map(([, id, token]) => `${id} ${token}`);
      const expected = [...this.accepted].map(([token, id]) => `${id} ${token}`);
      expect(told, `each job's "${what}", once`).to.have.members(expected);
    }
    let running = 0;
    let runningMax = 0;
    for (const [what] of lines) {
      running += what === 'begin' ? 1 : -1;
      runningMax = Math.max(runningMax, running);
    }
    expect(runningMax, 'runs at once').to.be.within(1, cap);
  }
}
