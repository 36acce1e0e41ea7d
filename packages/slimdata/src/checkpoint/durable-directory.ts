import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/** Makes the directory and its parents, each durable in its own parent. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  const top = dirname(resolve(first));
  for (let current = resolve(path); current !== top; current = dirname(current)) {
    await syncDirectory(dirname(current));
  }
}

/** Makes the names in the directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows has no fsync of a directory; NTFS journals its names.
  if (process.platform === 'win32') return;
  await syncPath(path, 'r');
}

/** Makes the content of every file in the directory durable, and then their names. */
export async function syncFiles(path: string): Promise<void> {
  for (const name of await readdir(path)) await syncPath(join(path, name), 'r+');
  await syncDirectory(path);
}

/** Atomic, and durable when it returns. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
}

export async function removePath(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

export async function isPresent(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

async function syncPath(path: string, flags: string): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
