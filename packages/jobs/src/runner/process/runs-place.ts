import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { constants, type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { RunnerError } from '../runner.ts';
import { host } from './process-identity.ts';
import type { RunsLayout } from './run-directory.ts';

/** The runs directory, made ready for use. */
export interface RunsPlace {
  /** Identity of the directory: members with the same one look at the same runs. */
  readonly id: string;
  /** Tells processes in other PID namespaces that somebody of this one is alive. Held until `close`. */
  hold(): Promise<void>;
  close(): Promise<void>;
}

/** statfs(2) magic numbers of file systems that several machines share: NFS, SMB, CIFS, SMB2, Ceph, 9P. */
const sharedFileSystems = [0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x00c36400, 0x01021997];

/** Creates what is missing of the runs directory; idempotent, also between members that do so at once. */
export function createRunsPlace(layout: RunsLayout): RunsPlace {
  const { directory } = layout;
  for (const path of [directory, layout.events, layout.tombstones, layout.trash, layout.namespaces]) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }
  if (sharedFileSystems.includes(statfsSync(directory).type)) {
    throw new RunnerError(
      'refused',
      `The runs directory "${directory}" is on a network file system; processes of other machines cannot be seen. ` +
        'Choose a local directory.',
    );
  }
  let held: FileHandle | null = null;
  return {
    id: readOrCreateId(layout.place),
    async hold() {
      const fifo = layout.presence(host.namespace);
      await makeFifo(fifo);
      held ??= await open(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    },
    async close() {
      await held?.close();
      held = null;
    },
  };
}

function readOrCreateId(path: string): string {
  const id = randomUUID();
  const temporary = `${path}.${id}.tmp`;
  try {
    writeFileSync(temporary, id, { flag: 'wx', mode: 0o600, flush: true });
    linkSync(temporary, path);
    return id;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return readFileSync(path, 'utf8');
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Node cannot make a FIFO itself. */
async function makeFifo(path: string): Promise<void> {
  try {
    await promisify(execFile)('mkfifo', ['-m', '600', path]);
  } catch (cause) {
    const stderr = (cause as { stderr?: string }).stderr ?? '';
    if (stderr.includes('exists')) return;
    throw new RunnerError('refused', `The Process orchestrator cannot make the FIFO "${path}".`, { cause });
  }
}
