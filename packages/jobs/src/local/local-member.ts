import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { RotatingFile } from './rotating-file.ts';

export interface LocalMemberOptions {
  readonly name: string;
  /** Path of the program's main file. */
  readonly main: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly url: string;
  readonly output: RotatingFile;
  /** A sentence for the person at the terminal. */
  readonly tell: (text: string) => void;
}

const restartDelayMs = { first: 500, max: 10_000 };

/** One member of a local cluster: a child process that is started again when it dies unasked. */
export class LocalMember {
  readonly name: string;
  readonly url: string;
  readonly #options: LocalMemberOptions;
  #child: ChildProcess | null = null;
  #stopping = false;
  #running: Promise<void> | null = null;

  constructor(options: LocalMemberOptions) {
    this.name = options.name;
    this.url = options.url;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process and keeps it running until `stop`. */
  start(): void {
    this.#running = this.#keepRunning();
  }

  /** Asks the process to stop gracefully; a second call ends it at once. */
  async stop(): Promise<void> {
    const signal = this.#stopping ? 'SIGKILL' : 'SIGTERM';
    this.#stopping = true;
    this.#child?.kill(signal);
    await this.#running;
  }

  /** True once the member answers that it can serve. */
  async isReady(): Promise<boolean> {
    try {
      const response = await fetch(`${this.url}/ready`, { signal: AbortSignal.timeout(1_000) });
      return response.ok;
    } catch (error) {
      return error instanceof Error ? false : Promise.reject(error);
    }
  }

  async #keepRunning(): Promise<void> {
    let waitMs = restartDelayMs.first;
    while (!this.#stopping) {
      const startedAt = performance.now();
      const end = await this.#runOnce();
      if (this.#stopping) {
        return;
      }
      this.#options.tell(`${this.name} ended (${end}); starting it again`);
      waitMs = performance.now() - startedAt > 30_000 ? restartDelayMs.first : waitMs;
      await delay(waitMs);
      waitMs = Math.min(2 * waitMs, restartDelayMs.max);
    }
  }

  /**
   * A session of its own, so that Ctrl-C reaches the members only through us and they stop in order; and its
   * standard input is ours, so that it also stops when we are killed.
   */
  async #runOnce(): Promise<string> {
    const child = spawn(process.execPath, [this.#options.main, 'serve', '--stop-with-stdin'], {
      env: this.#options.environment,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => this.#options.output.write(chunk));
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#options.output.write(Buffer.from(`${line}\n`));
      this.#options.tell(`${this.name}: ${line}`);
    });
    try {
      const [code, signal] = await once(child, 'exit');
      return signal === null ? `exit status ${code}` : `signal ${signal}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}
