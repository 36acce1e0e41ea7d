import { execFile } from 'node:child_process';
import { open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { Cluster, type MemberProcess } from './cluster.ts';

const main = path.resolve('packages/jobs/dist/src/main.js');
const configuration = JSON.stringify({
  Configurations: { once: { Image: 'none', Command: ['true'], Visibility: 'Public' } },
});

interface Answer {
  readonly status: number;
  readonly output: string;
}

function inspect(...args: string[]): Promise<Answer> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, 'log', 'inspect', ...args], (error, stdout, stderr) => {
      resolve({ status: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr });
    });
  });
}

describe('slimfaas-jobs log inspect', () => {
  it('reads the log of a running and of a stopped member, and names the damage in a damaged one', async function () {
    this.timeout(60_000);
    await using cluster = await Cluster.start({ members: 1, configuration });
    const [member] = cluster.members as [MemberProcess];
    expect((await member.fetch('/job/once', { method: 'POST' })).status).to.equal(202);
    const directory = path.join(cluster.directory, member.name, 'raft');

    const running = JSON.parse((await inspect(directory, '--json')).output);
    expect(running.holder).to.be.a('string');
    await member.kill('SIGTERM');
    const stopped = await inspect(directory, '--json');
    expect(JSON.parse(stopped.output)).to.include({ verdict: 'sound', holder: null });
    expect(stopped.status).to.equal(0);

    const segment = (await readdir(directory)).filter((name) => name.endsWith('.wal')).sort()[0] as string;
    const file = await open(path.join(directory, segment), 'r+');
    await file.write(Buffer.from('x'), 0, 1, 600);
    await file.close();
    const damaged = await inspect(directory);
    expect(damaged.status).to.equal(1);
    expect(damaged.output).to.include(segment).and.to.include('damaged');
  });

  it('says so when there is nothing to read', async () => {
    const { status, output } = await inspect('/nonexistent');
    expect(status).to.equal(1);
    expect(output).to.include('/nonexistent');
  });
});
