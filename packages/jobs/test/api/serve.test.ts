import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';

/** Compiled, so that what is started is what is shipped. */
const module = fileURLToPath(new URL('../../src/serve.js', import.meta.url));

describe('serve', function () {
  this.timeout(20_000);
  let directory: string;
  let child: ChildProcess | null = null;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'slimfaas-serve-'));
  });
  afterEach(async () => {
    if (child?.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(directory, { recursive: true, force: true });
  });

  function start(variables: Record<string, string> = {}, stopWithStdin = false): ChildProcess {
    const environment = {
      PATH: process.env['PATH'],
      HOSTNAME: 'member-0',
      SlimFaas__Port: '0',
      SlimFaas__Orchestrator: 'Process',
      SlimFaas__ProcessDirectory: join(directory, 'runs'),
      SlimData__Directory: join(directory, 'raft'),
      SlimData__Members: 'member-0=http://127.0.0.1:0',
      ...variables,
    };
    const code = `import { serve } from ${JSON.stringify(module)}; await serve({ stopWithStdin: ${stopWithStdin} });`;
    child = spawn(process.execPath, ['--input-type=module', '-e', code], { env: environment, stdio: 'pipe' });
    return child;
  }

  async function line(of: ChildProcess, event: string): Promise<Record<string, unknown>> {
    if (of.stdout === null) throw new Error('no output');
    for await (const text of createInterface({ input: of.stdout })) {
      const parsed = JSON.parse(text);
      if (parsed.event === event) return parsed;
    }
    throw new Error(`ended without ${event}`);
  }

  async function textOf(stream: AsyncIterable<Buffer> | null): Promise<string> {
    let text = '';
    for await (const chunk of stream ?? []) text += chunk;
    return text;
  }

  it('serves until SIGTERM and then ends with 0', async () => {
    const member = start();
    const { port } = await line(member, 'service_opened');
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).to.equal(200);
    member.stdout?.resume();
    member.kill('SIGTERM');
    expect(await once(member, 'exit')).to.deep.equal([0, null]);
  });

  it('ends gracefully with its standard input, when asked to', async () => {
    const member = start({}, true);
    await line(member, 'service_opened');
    member.stdout?.resume();
    member.stdin?.end();
    expect(await once(member, 'exit')).to.deep.equal([0, null]);
  });

  it('waits for requests under way at the first signal, and ends at once at the second', async () => {
    const jobs = { Configurations: { slow: { Visibility: 'Public', Command: ['/bin/true'] } } };
    const member = start({ SlimFaas__JobsConfiguration: JSON.stringify(jobs) });
    const { port } = await line(member, 'service_opened');
    member.stdout?.resume();
    const pending = fetch(`http://127.0.0.1:${port}/job/slow`, {
      method: 'POST',
      body: new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('{')) }),
      duplex: 'half',
    } as RequestInit).catch(() => 'cut');
    await fetch(`http://127.0.0.1:${port}/health`);
    member.kill('SIGTERM');
    while ((await fetch(`http://127.0.0.1:${port}/health`).catch(() => null)) !== null);
    expect(member.exitCode).to.equal(null);
    member.kill('SIGINT');
    expect(await once(member, 'exit')).to.deep.equal([130, null]);
    expect(await pending).to.equal('cut');
  });

  it('does not start with a faulty configuration, naming every fault of both packages, and ends with 1', async () => {
    const member = start({
      SlimFaas__Port: 'x',
      SlimData__Port: '0.5',
      SlimFaas__JobsConfiguration: '{"Configurations":{"echo":{"Visibility":"Secret","Comand":["x"]}}}',
    });
    const [text, [code]] = await Promise.all([textOf(member.stderr), once(member, 'exit')]);
    expect(code).to.equal(1);
    for (const path of ['SlimFaas__Port', 'SlimData__Port', 'echo.Visibility', 'echo.Comand']) {
      expect(text).to.include(path);
    }
  });

  it('ends with 1 and says why when it cannot open its storage', async () => {
    const member = start({ SlimData__Directory: '/dev/null/raft' });
    const [text, [code]] = await Promise.all([textOf(member.stderr), once(member, 'exit')]);
    expect(code).to.equal(1);
    expect(text.trim()).to.not.equal('');
  });
});
