import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Member, openMember } from '@slimfaas/slimdata';

/** A port that is free just now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}

/** One member of three whose peers are not there: it never finds a leader. */
export async function openLeaderlessStore(): Promise<AsyncDisposable & { readonly member: Member }> {
  const directory = await mkdtemp(join(tmpdir(), 'slimfaas-leaderless-'));
  const port = await freePort();
  const member = await openMember({
    name: 'member-0',
    members: [
      { name: 'member-0', url: `http://127.0.0.1:${port}` },
      { name: 'member-1', url: 'http://127.0.0.1:1' },
      { name: 'member-2', url: 'http://127.0.0.1:1' },
    ],
    directory,
    host: '127.0.0.1',
    port,
    clusterSecret: null,
    heartbeatMs: 20,
    electionTimeoutMs: 100,
    logger: { info() {}, warn() {}, error() {} },
    onFatal: (error) => {
      throw error;
    },
  });
  return {
    member,
    async [Symbol.asyncDispose]() {
      await member.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
