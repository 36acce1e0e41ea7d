import { type FileHandle, link, mkdir, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ignoreAbsence } from './run-directory.ts';

/**
 * Publishes a fact durably: afterwards, and after any crash, the file is complete or absent. The first writer wins;
 * false = somebody else's content is there. `beforeLink` is for tests that end the process there.
 */
export async function publishFact(path: string, fact: object, beforeLink?: () => void): Promise<boolean> {
  const temporary = `${path}.${process.pid}-${process.hrtime.bigint()}.tmp`;
  try {
    await writeDurably(temporary, JSON.stringify(fact));
    beforeLink?.();
    await link(temporary, path);
    await syncDirectory(dirname(path));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await ignoreAbsence(unlink(temporary));
  }
}

/** Publishes as soon as there is room on the disk: for facts that are lost if their only witness gives up. */
export async function publishPatiently(path: string, fact: object): Promise<boolean> {
  for (;;) {
    try {
      return await publishFact(path, fact);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
    }
    await delay(1000);
  }
}

/** Creates the directory unless it exists; durable when this call created it. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  await syncDirectory(dirname(path));
}

async function writeDurably(path: string, content: string): Promise<void> {
  await withFile(await open(path, 'wx', 0o600), async (file) => {
    await file.writeFile(content);
    await file.sync();
  });
}

async function syncDirectory(path: string): Promise<void> {
  await withFile(await open(path, 'r'), (file) => file.sync());
}

async function withFile(file: FileHandle, use: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await use(file);
  } finally {
    await file.close();
  }
}
