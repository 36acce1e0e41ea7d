import { type FileHandle, mkdir, open, readdir, rename, statfs, unlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Logger } from '../logger.ts';
import { findLockHolder, openDirectoryLock } from './directory-lock.ts';
import type { FileReader, FileSystem, LogFile, ReadableFile } from './file-system.ts';

/** Reads only. */
export function createDiskFileReader(): FileReader {
  return {
    list: (path) => readdir(path),
    openToRead: async (path) => readableFile(await open(path, 'r')),
    lockHolder: findLockHolder,
  };
}

/** The real one. All calls are asynchronous: a stalling disk must not stop the loop that answers heartbeats. */
export function createDiskFileSystem(logger: Logger, randomBytes: (size: number) => Buffer): FileSystem {
  return {
    ...createDiskFileReader(),
    makeDirectory,
    open: async (path) => diskFile(await open(path, 'r+')),
    create: async (path) => diskFile(await open(path, 'w+')),
    rename,
    remove: unlink,
    syncDirectory,
    freeBytes,
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

/** What is free to an ordinary user: the share that some file systems keep for root stays untouched. */
async function freeBytes(path: string): Promise<number> {
  const { blocks, bavail, bsize } = await statfs(path);
  // Some network file systems tell nothing; then only trying can show.
  return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize;
}

function readableFile(handle: FileHandle): ReadableFile {
  return {
    read: (into, offset) => readFully(handle, into, offset),
    size: async () => (await handle.stat()).size,
    close: () => handle.close(),
  };
}

function diskFile(handle: FileHandle): LogFile {
  return {
    ...readableFile(handle),
    write: (bytes, offset) => writeFully(handle, bytes, offset),
    syncData: () => handle.datasync(),
    sync: () => handle.sync(),
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
