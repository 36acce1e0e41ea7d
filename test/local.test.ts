import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { freePorts, isProcessAlive, waitFor } from './cluster.ts';

const main = path.resolve('packages/jobs/dist/src/main.js');

/** `slimfaas-jobs local` as a person starts it, with what it printed. */
class LocalCommand implements AsyncDisposable {
  readonly #child: ChildProcess;
  output = '';

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [main, 'local', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
  }

  async waitForOutput(text: string): Promise<void> {
    await waitFor(`"${text}" in the output`, 30_000, async () => {
      expect(this.#child.exitCode, this.output).to.equal(null);
      return this.output.includes(text);
    });
  }

  /** Sends SIGINT, as Ctrl-C does, and answers the exit status. */
  async interrupt(): Promise<number | null> {
    const status = this.exitStatus();
    this.#child.kill('SIGINT');
    return status;
  }

  async exitStatus(): Promise<number | null> {
    const [code] = await once(this.#child, 'exit');
    return code;
  }

  memberPids(): number[] {
    return [...this.output.matchAll(/process (\d+)\)/g)].map(([, pid]) => Number(pid));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await this.interrupt();
    }
  }
}

/** Runs a printed curl line: its method, address and body. */
async function curl(line: string): Promise<Response> {
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  const after = (flag: string): string | undefined =>
    words.includes(flag) ? words[words.indexOf(flag) + 1] : undefined;
  const url = words.find((word) => word.startsWith('http')) ?? '';
  const body = after('-d');
  const method = after('-X') ?? 'GET';
  return fetch(url, body === undefined ? { method } : { method, body });
}

interface Listed {
  readonly Id: string;
  readonly Status: string;
}

/** The configuration and the curl lines of README.md. */
async function readmeExamples(): Promise<{ configuration: string; curlLines: string[] }> {
  const text = await readFile('README.md', 'utf8');
  const configuration = /```json\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  return { configuration, curlLines: text.split('\n').filter((line) => line.startsWith('curl ')) };
}

/** The configuration with one more job, which notes its process id and goes on for an hour. */
function withSleep(configuration: string, pidFile: string): string {
  const sleep = {
    Image: 'none',
    Command: ['sh', '-c', `echo $$ > ${pidFile}; exec sleep 3600`],
    Visibility: 'Public',
  };
  return configuration.replace(
    '"Configurations": {',
    (start) => `${start} "sleep": ${JSON.stringify(sleep)},`,
  );
}

describe('slimfaas-jobs local', () => {
  it('does what README says: the lines work, Ctrl-C stops all, a second start finds its state, --clean does not', async function () {
    this.timeout(120_000);
    const directory = await mkdtemp(path.join(os.tmpdir(), 'slimfaas-local-'));
    const [port = 0] = await freePorts(1);
    const [storePort = 0] = await freePorts(1);
    const examples = await readmeExamples();
    const configurationFile = path.join(directory, 'jobs.json');
    await writeFile(configurationFile, withSleep(examples.configuration, path.join(directory, 'sleep.pid')));
    const args = ['--data', path.join(directory, 'data'), '--configuration', configurationFile];
    args.push('--port', String(port), '--store-port', String(storePort));
    const atOurPorts = (line: string): string =>
      line.replace(/:3002(\d)/, (_, digit: string) => `:${port + Number(digit) - 1}`);
    const base = `http://localhost:${port}`;
    const listed = async (): Promise<Listed[]> =>
      (await (await fetch(`${base}/job/fibonacci`)).json()) as Listed[];
    try {
      let id = '';
      {
        await using command = new LocalCommand(args);
        await command.waitForOutput('Ctrl-C');
        const printed = command.output.split('\n').filter((line) => line.startsWith('  curl '));
        const lines = examples.curlLines.map(atOurPorts);
        expect(printed.map((line) => line.trim())).to.deep.equal(lines);
        const posted = await curl(lines[0] ?? '');
        expect(posted.status).to.equal(202);
        id = ((await posted.json()) as { Id: string }).Id;
        expect(await (await curl(lines[1] ?? '')).text()).to.include(id);
        expect((await curl(lines[2] ?? '')).status).to.equal(200);
        await waitFor(
          'the example job to succeed',
          20_000,
          async () => (await listed())[0]?.Status === 'Succeeded',
        );
        const logs = await fetch(`http://localhost:${port}/job/fibonacci/${id}/logs`);
        expect(await logs.text()).to.equal('fibonacci(42) = 267914296\nfibonacci(43) = 433494437\n');
        const sleeping = await curl(`curl -X POST ${base}/job/sleep`);
        expect(sleeping.status).to.equal(202);
        const runFile = path.join(directory, 'sleep.pid');
        const runPid = await waitFor('the long run', 20_000, async () => {
          const text = await readFile(runFile, 'utf8').catch(() => '');
          return text.endsWith('\n') ? Number(text) : null;
        });
        const pids = [...command.memberPids(), runPid];
        expect(pids).to.have.length(4);
        expect(await command.interrupt(), command.output).to.equal(0);
        // What has ended may still wait to be reaped by the system's first process.
        await waitFor('all processes to be gone', 5_000, async () => !pids.some(isProcessAlive));
      }
      {
        await using command = new LocalCommand(args);
        await command.waitForOutput('Ctrl-C');
        expect((await listed()).map((job) => [job.Id, job.Status])).to.deep.equal([[id, 'Succeeded']]);
      }
      await using command = new LocalCommand([...args, '--clean']);
      await command.waitForOutput('Ctrl-C');
      expect(await listed()).to.deep.equal([]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('says which port is in use and how to choose others', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await using command = new LocalCommand(['--members', '1', '--port', String(port)]);
    expect(await command.exitStatus()).to.equal(1);
    expect(command.output).to.include(`Port ${port} is in use`).and.to.include('--port');
    server.close();
  });

  it('restarts a member that was killed', async function () {
    this.timeout(60_000);
    const directory = await mkdtemp(path.join(os.tmpdir(), 'slimfaas-local-'));
    const [port = 0] = await freePorts(1);
    const [storePort = 0] = await freePorts(1);
    try {
      const args = ['--data', directory, '--port', String(port), '--store-port', String(storePort)];
      await using command = new LocalCommand(args);
      await command.waitForOutput('Ctrl-C');
      process.kill(command.memberPids()[0] ?? 0, 'SIGKILL');
      await command.waitForOutput('slimfaas-0 ended (signal SIGKILL); starting it again');
      await waitFor('the member to be ready again', 20_000, async () => {
        const response = await fetch(`http://localhost:${port}/ready`).catch(() => null);
        return response?.status === 200;
      });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
