import { type FileHandle, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Logger } from '../logger.ts';
import { openDirectoryLock } from './directory-lock.ts';
import type { FileSystem, LogFile } from './file-system.ts';

/** The real one. All calls are asynchronous: a stalling disk must not stop the loop that answers heartbeats. */
export function createDiskFileSystem(logger: Logger, randomBytes: (size: number) => Buffer): FileSystem {
  return {
    makeDirectory,
    list: (path) => readdir(path),
    open: async (path) => diskFile(await open(path, 'r+')),
    create: async (path) => diskFile(await open(path, 'w+')),
    rename,
    remove: unlink,
    syncDirectory,
    lock: (path) => openDirectoryLock({ directory: path, logger, randomBytes }),
  };
}

async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  const top = dirname(resolve(first));
  let current = resolve(path);
  do {
    current = dirname(current);
    await syncDirectory(current);
  } while (current !== top && current !== dirname(current));
}

async function syncDirectory(path: string): Promise<void> {
  // Windows has no fsync of a directory; NTFS journals its names.
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function diskFile(handle: FileHandle): LogFile {
  return {
    read: (into, offset) => readFully(handle, into, offset),
    write: (bytes, offset) => writeFully(handle, bytes, offset),
    syncData: () => handle.datasync(),
    sync: () => handle.sync(),
    size: async () => (await handle.stat()).size,
    close: () => handle.close(),
  };
}

async function readFully(handle: FileHandle, into: Buffer, offset: number): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await handle.read(into, done, into.length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** A short write is continued, not repeated: the kernel took what it counted; the next call tells why it stopped. */
async function writeFully(handle: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, offset + done);
    if (bytesWritten === 0) throw new Error(`write took none of ${bytes.length - done} bytes`);
    done += bytesWritten;
  }
}
