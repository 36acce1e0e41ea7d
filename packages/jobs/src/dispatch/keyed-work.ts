import { type Backoff, backoffDelayMs } from './backoff.ts';
import type { Clock } from './clock.ts';

export interface KeyedWorkOptions {
  /** Looks at one key and does what is due. Answers when to look again by itself: milliseconds, or null = when woken. */
  readonly pass: (key: string) => Promise<number | null>;
  /** A pass threw; its key rests for `retryAfterMs`. */
  readonly onFailure: (key: string, error: Error, retryAfterMs: number) => void;
  /** Keys of one group share a bound on passes under way, so that a slow group delays only itself. */
  readonly groupOf: (key: string) => string;
  readonly groupPassesMax: number;
  readonly failureBackoff: Backoff;
  readonly clock: Clock;
  /** Once aborted, no pass begins any more. */
  readonly signal: AbortSignal;
}

interface Entry {
  state: 'idle' | 'waiting' | 'passing' | 'resting';
  /** Woken while it could not begin. */
  woken: boolean;
  failures: number;
  cancelTimer: (() => void) | null;
}

/**
 * Level-triggered work: a key that was woken gets a pass soon after, never two at once, and any number of wakes before
 * it began are one. A failing key harms only itself: it rests, ever longer up to a bound, and wakes do not shorten
 * that. Keys with nothing to do take no memory.
 */
export class KeyedWork {
  readonly #options: KeyedWorkOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #groupPasses = new Map<string, number>();
  readonly #waiting = new Map<string, string[]>();
  readonly #passes = new Set<Promise<void>>();

  constructor(options: KeyedWorkOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#end(), { once: true });
  }

  wake(key: string): void {
    if (this.#options.signal.aborted) return;
    const entry = this.#entry(key);
    if (entry.state === 'idle') this.#begin(key, entry);
    else if (entry.state !== 'waiting') entry.woken = true;
  }

  /** Resolves when no pass is under way. After the signal fired, that is for good. */
  async settled(): Promise<void> {
    while (this.#passes.size > 0) await Promise.all(this.#passes);
  }

  #entry(key: string): Entry {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { state: 'idle', woken: false, failures: 0, cancelTimer: null };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  #begin(key: string, entry: Entry): void {
    entry.cancelTimer?.();
    entry.cancelTimer = null;
    entry.woken = false;
    const group = this.#options.groupOf(key);
    const passes = this.#groupPasses.get(group) ?? 0;
    if (passes >= this.#options.groupPassesMax) {
      entry.state = 'waiting';
      const line = this.#waiting.get(group) ?? [];
      line.push(key);
      this.#waiting.set(group, line);
      return;
    }
    this.#groupPasses.set(group, passes + 1);
    entry.state = 'passing';
    const pass = this.#pass(key, entry).finally(() => {
      this.#passes.delete(pass);
      this.#release(group);
    });
    this.#passes.add(pass);
  }

  async #pass(key: string, entry: Entry): Promise<void> {
    let againMs: number | null = null;
    try {
      againMs = await this.#options.pass(key);
      entry.failures = 0;
    } catch (cause) {
      if (this.#options.signal.aborted) return;
      entry.failures += 1;
      againMs = backoffDelayMs(this.#options.failureBackoff, entry.failures);
      this.#options.onFailure(key, cause instanceof Error ? cause : new Error(String(cause)), againMs);
    }
    if (this.#options.signal.aborted) return;
    entry.state = entry.failures > 0 ? 'resting' : 'idle';
    if (entry.woken && entry.state === 'idle') this.#begin(key, entry);
    else if (againMs === null) this.#entries.delete(key);
    else entry.cancelTimer = this.#options.clock.after(againMs, () => this.#begin(key, entry));
  }

  #release(group: string): void {
    const passes = (this.#groupPasses.get(group) ?? 1) - 1;
    if (passes === 0) this.#groupPasses.delete(group);
    else this.#groupPasses.set(group, passes);
    if (this.#options.signal.aborted) return;
    const line = this.#waiting.get(group);
    const key = line?.shift();
    if (line?.length === 0) this.#waiting.delete(group);
    if (key !== undefined) this.#begin(key, this.#entry(key));
  }

  #end(): void {
    for (const entry of this.#entries.values()) entry.cancelTimer?.();
    this.#entries.clear();
    this.#waiting.clear();
  }
}
