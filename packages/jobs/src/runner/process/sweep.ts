import { readdir, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreAbsence, isRunName, type RunsLayout, runPaths } from './run-directory.ts';

export interface SweepOptions {
  readonly layout: RunsLayout;
  readonly now: () => number;
  /** Age from which a tombstone, or a directory in which no run was completed, is of no more use. */
  readonly keepMs: number;
}

/**
 * Removes what crashes and cancellations left: the trash, old tombstones of absent runs, old half-created directories.
 * A start that has been asleep for longer than `keepMs` in such a directory fails instead of making a run.
 */
export async function sweep({ layout, now, keepMs }: SweepOptions): Promise<void> {
  const isOld = async (path: string): Promise<boolean> => {
    const found = await ignoreAbsence(stat(path));
    return found !== undefined && now() - found.mtimeMs > keepMs;
  };

  for (const name of await readdir(layout.trash)) {
    await rm(join(layout.trash, name), { recursive: true, force: true });
  }
  const names = new Set((await readdir(layout.directory)).filter(isRunName));
  for (const name of await readdir(layout.tombstones)) {
    const path = join(layout.tombstones, name);
    if (!names.has(name) && (await isOld(path))) await ignoreAbsence(unlink(path));
  }
  for (const name of names) {
    const paths = runPaths(layout, name);
    const isComplete = (await ignoreAbsence(stat(paths.spec))) !== undefined;
    if (!isComplete && (await isOld(paths.directory))) await removeHalfCreated(paths.directory);
  }
}

/** Fails, and leaves the run as it is, when a spec appears at the last moment. */
async function removeHalfCreated(directory: string): Promise<void> {
  for (const name of (await ignoreAbsence(readdir(directory))) ?? []) {
    if (name.endsWith('.tmp')) await ignoreAbsence(unlink(join(directory, name)));
  }
  try {
    await rmdir(directory);
  } catch (error) {
    if (!['ENOTEMPTY', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
