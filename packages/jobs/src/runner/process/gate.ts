import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { identifyProcess, type ProcessIdentity } from './process-identity.ts';

/**
 * A command that exists as a process, with pid and group, and has not begun: a shell that waits for a word and then
 * becomes the command. If the supervisor dies first, the shell reads the end of its pipe and the command never runs.
 */
export interface Gate {
  readonly process: ProcessIdentity;
  /** Standard output and error, through one real pipe, so in the order they were written. */
  readonly output: Socket;
  /** Resolves when the command's own process has ended. */
  readonly exited: Promise<ProcessExit>;
  /** Lets the command begin. */
  release(): void;
}

interface ProcessExit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface GateOptions {
  /** Absolute path of the program, then its arguments. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  /** Path at which a FIFO may stand for a moment. */
  readonly outputPipe: string;
}

const script = 'IFS= read -r word <&3 && [ "$word" = begin ] || exit 125; exec 3<&-; exec "$@"';

/** Opens a gate: the process is in a session and group of its own. Throws when the system refuses the process. */
export async function openGate(options: GateOptions): Promise<Gate> {
  const pipe = openPipe(options.outputPipe);
  try {
    const child = spawn('/bin/sh', ['-c', script, 'sh', ...shellCommand(options)], {
      cwd: options.workingDirectory,
      env: options.environment,
      detached: true,
      stdio: ['ignore', pipe.writeEnd, pipe.writeEnd, 'pipe'],
    });
    const exited = once(child, 'exit').then(([exitCode, signal]): ProcessExit => ({ exitCode, signal }));
    // Heard below, through `once(child, 'spawn')`, when there is no process; never after that.
    exited.catch(() => {});
    if (child.pid === undefined) await once(child, 'spawn');
    const process = identifyProcess(child.pid ?? 0);
    if (process === null)
      throw new Error(`Process "${child.pid}" is not in the process table; is /proc mounted?`);
    return { process, output: pipe.output, exited, release: () => release(child) };
  } catch (error) {
    pipe.output.destroy();
    throw error;
  } finally {
    closeSync(pipe.writeEnd);
  }
}

/** A shell passes on only variables whose names it could use itself; env(1) passes on the others. */
function shellCommand(options: GateOptions): readonly string[] {
  const foreign = Object.entries(options.environment).filter(([name]) => !/^[A-Za-z_]\w*$/.test(name));
  if (foreign.length === 0) return options.command;
  return ['/usr/bin/env', ...foreign.map(([name, value]) => `${name}=${value}`), ...options.command];
}

function release(child: ChildProcess): void {
  const word = child.stdio[3];
  if (!(word instanceof Writable)) throw new Error('The gate has no pipe.');
  // The shell may have been killed: then there is nobody to tell, and `exited` says so.
  word.on('error', () => {});
  word.end('begin\n');
}

/**
 * A pipe by way of a FIFO that is unlinked at once. Node's own pipes are sockets, on which a command cannot open
 * /dev/stdout.
 */
function openPipe(path: string): { readonly output: Socket; readonly writeEnd: number } {
  rmSync(path, { force: true });
  const { error, status, stderr } = spawnSync('mkfifo', ['-m', '600', path], { encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`mkfifo failed with exit code ${status}: ${stderr.trim()}`);
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeEnd = openSync(path, constants.O_WRONLY);
  rmSync(path);
  return { output: new Socket({ fd: readEnd, readable: true, writable: false }), writeEnd };
}
