import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { open, readdir, stat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { Logger } from '../logger.ts';
import type { DirectoryLock } from './file-system.ts';
import { LogError } from './log-error.ts';

export interface DirectoryLockOptions {
  readonly directory: string;
  readonly logger: Logger;
  readonly randomBytes: (size: number) => Buffer;
}

/** sun_path holds 108 bytes on Linux, 104 elsewhere, and Node cuts longer names without a word. */
const socketPathBytesMax = 100;
const namePrefixes = new Map<string, string>([
  ['linux', '\0'],
  ['win32', '\\\\.\\pipe\\'],
]);
const lockName = /^lock-(\d+)-[0-9a-f]{32}\.sock$/;

/**
 * One holder per directory. Node has neither flock nor fcntl, and a file with a process id cannot tell: in containers
 * every holder is process 1 of its own namespace. So the holder listens on a Unix socket in the directory: the kernel
 * answers for it exactly as long as it lives (also while stopped, also across containers), and refuses after SIGKILL.
 *
 * Safe against two who take over at once: each first listens under a name never used before, only then looks at the
 * others. Of two, the later looker sees the other, so at most one stays; both may give up. Dead names are never reused,
 * so removing one cannot remove a living lock.
 *
 * Not covered: two machines on one network volume; the volume must be mounted by one (ReadWriteOnce).
 */
export async function openDirectoryLock(options: DirectoryLockOptions): Promise<DirectoryLock> {
  const { directory, logger } = options;
  const name = `lock-${process.pid}-${options.randomBytes(16).toString('hex')}.sock`;
  const handle = await open(directory, 'r');
  const base = reachableBase(directory, name, handle.fd);
  const server =
    base === null ? new Error('the path is too long for a socket') : await listen(join(base, name));
  if (base === null || server instanceof Error) {
    await handle.close();
    logger.warn({ directory, reason: String(server) }, 'directory_lock_degraded');
    return openNamedLock(directory);
  }
  const close = async () => {
    await closeServer(server);
    await handle.close();
  };
  try {
    await refuseOthers(directory, base, name);
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}

/**
 * Who holds the directory, e.g. `process 12` (as that process counts, which in a container is not as others do); null
 * when nobody does. Takes nothing and changes nothing.
 */
export async function findLockHolder(directory: string): Promise<string | null> {
  const handle = await open(directory, 'r');
  try {
    for (const name of await readdir(directory)) {
      const process = lockName.exec(name)?.[1];
      if (process === undefined) continue;
      const base = reachableBase(directory, name, handle.fd);
      if (base !== null && (await isAlive(join(base, name)))) return `process ${process}`;
    }
  } finally {
    await handle.close();
  }
  const path = await namedLockPath(directory);
  return path !== null && (await isAlive(path)) ? 'another process' : null;
}

/** The directory under a path short enough for a socket; through the open descriptor where the system allows it. */
function reachableBase(directory: string, name: string, descriptor: number): string | null {
  if (process.platform === 'win32') return null;
  if (Buffer.byteLength(join(directory, name)) <= socketPathBytesMax) return directory;
  const short = `/proc/self/fd/${descriptor}`;
  return existsSync(short) ? short : null;
}

async function refuseOthers(directory: string, base: string, own: string): Promise<void> {
  const names = (await readdir(directory)).filter((name) => lockName.test(name));
  // Between bind and listen ours could be taken for dead; from here on it cannot.
  if (!names.includes(own)) throw lockedError(directory, 'another process that is starting');
  for (const name of names) {
    if (name === own) continue;
    if (await isAlive(join(base, name))) {
      throw lockedError(directory, `process ${lockName.exec(name)?.[1] ?? 'unknown'}`);
    }
    await unlink(join(directory, name)).catch(ignoreMissing);
  }
}

/** Only a refusal by the kernel proves death; any other failure (no permission, full backlog) counts as alive. */
async function isAlive(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    return !['ECONNREFUSED', 'ENOENT'].includes(systemCode(error));
  } finally {
    socket.destroy();
  }
}

/**
 * For a volume that cannot hold sockets: one name per directory, kept by the kernel: an abstract socket on Linux (seen
 * inside one network namespace only), a named pipe on Windows. Elsewhere there is no lock, as the log line has said.
 */
export async function openNamedLock(directory: string): Promise<DirectoryLock> {
  const path = await namedLockPath(directory);
  if (path === null) return { close: async () => {} };
  const server = await listen(path);
  if (!(server instanceof Error)) return { close: () => closeServer(server) };
  if (systemCode(server) === 'EADDRINUSE') throw lockedError(directory, 'another process');
  throw server;
}

async function namedLockPath(directory: string): Promise<string | null> {
  const prefix = namePrefixes.get(process.platform);
  if (prefix === undefined) return null;
  const { dev, ino } = await stat(directory, { bigint: true });
  return `${prefix}slimdata-${dev}-${ino}`;
}

async function listen(path: string): Promise<Server | Error> {
  const server = createServer((socket) => socket.destroy());
  server.listen({ path });
  try {
    await once(server, 'listening');
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
  server.unref();
  return server;
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function ignoreMissing(error: unknown): void {
  if (systemCode(error) !== 'ENOENT') throw error;
}

function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function lockedError(directory: string, holder: string): LogError {
  return new LogError(
    'locked',
    `Directory "${directory}" is in use by ${holder}. Two members must never share a directory: stop the other one, ` +
      'or give this one its own.',
  );
}
