import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';

/** A real process that is started, signalled and started again; its output goes to one file. */
export abstract class RestartableProcess {
  readonly name: string;
  readonly #outputPath: string;
  readonly #unexpectedEnds: string[] = [];
  #child: ChildProcess | null = null;
  #isPaused = false;

  constructor(name: string, outputPath: string) {
    this.name = name;
    this.#outputPath = outputPath;
  }

  /** Starts the process with its output on the open file. */
  protected abstract spawn(output: number): ChildProcess;

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  get isAlive(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Stopped by SIGSTOP, and not continued yet. */
  get isPaused(): boolean {
    return this.isAlive && this.#isPaused;
  }

  /** Ends that nobody asked for, one sentence each. */
  get unexpectedEnds(): readonly string[] {
    return this.#unexpectedEnds;
  }

  async start(): Promise<void> {
    const output = await open(this.#outputPath, 'a');
    const child = this.spawn(output.fd);
    this.#child = child;
    this.#isPaused = false;
    child.once('exit', (code, signal) => {
      if (this.#child === child) {
        this.#unexpectedEnds.push(`${this.name} ended by itself (exit status ${code}, signal ${signal})`);
      }
    });
    await output.close();
  }

  /** Sends the signal and waits for the end of the process, unless it only pauses or continues it. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null || !this.isAlive) {
      return;
    }
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') {
      child.kill(signal);
      this.#isPaused = signal === 'SIGSTOP';
      return;
    }
    const ended = once(child, 'exit');
    this.#child = null;
    child.kill(signal);
    await ended;
  }

  /** All that it wrote, in all its lives. */
  output(): Promise<string> {
    return readFile(this.#outputPath, 'utf8');
  }

  async lastOutput(): Promise<string> {
    return (await this.output()).split('\n').slice(-10).join('\n');
  }
}
