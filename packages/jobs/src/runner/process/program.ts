import { accessSync, constants, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

export type Program =
  | { readonly found: true; readonly path: string }
  /** Exit code and words as a shell has them: 127 = not found, 126 = found and not executable. */
  | { readonly found: false; readonly exitCode: 126 | 127; readonly reason: string };

/** Finds what execvp(3) would run. */
export function findProgram(name: string, searchPath: string | undefined, workingDirectory: string): Program {
  if (!isDirectory(workingDirectory)) {
    return {
      found: false,
      exitCode: 126,
      reason: `its working directory "${workingDirectory}" does not exist`,
    };
  }
  const path = searchPath ?? '/usr/bin:/bin';
  const candidates = name.includes('/')
    ? [resolve(workingDirectory, name)]
    : path.split(':').map((directory) => join(resolve(workingDirectory, directory), name));
  const present = candidates.filter(isFile);
  const found = present.find(isExecutable);
  if (found !== undefined) return { found: true, path: found };
  if (present[0] !== undefined) {
    return { found: false, exitCode: 126, reason: `program "${present[0]}" is not executable` };
  }
  const where = name.includes('/') ? 'does not exist' : `was not found in PATH "${path}"`;
  return { found: false, exitCode: 127, reason: `program "${name}" ${where}` };
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch (error) {
    // A directory of PATH may be closed to us, or be a file.
    if (
      ['EACCES', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes((error as NodeJS.ErrnoException).code ?? '')
    ) {
      return false;
    }
    throw error;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return false;
    throw error;
  }
}
