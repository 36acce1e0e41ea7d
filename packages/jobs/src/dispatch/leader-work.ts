import type { Leadership, Store } from '@slimfaas/slimdata';
import type { Report } from '../queue/job-event.ts';
import { type Backoff, backoffDelayMs } from './backoff.ts';
import type { Clock } from './clock.ts';

export interface LeaderWorkOptions {
  readonly store: Store;
  /** The work of one term, begun when this member's view holds all that earlier terms committed. Ends with `signal`. */
  readonly work: (term: number, signal: AbortSignal) => Promise<void>;
  readonly failureBackoff: Backoff;
  readonly barrierDeadlineMs: number;
  readonly clock: Clock;
  readonly report: Report;
}

/**
 * The single place that asks "am I the leader": while this member leads term T, the work of term T runs. It is told to
 * end the moment the leadership is lost, and what it still proposes then is refused by its fence, the check on T.
 */
export class LeaderWork {
  readonly #options: LeaderWorkOptions;
  readonly #ended = new Set<Promise<void>>();
  readonly #endLeadership: () => void;
  #current: { readonly term: number; readonly controller: AbortController } | null = null;

  constructor(options: LeaderWorkOptions) {
    this.#options = options;
    this.#endLeadership = options.store.onLeadership((leadership) => this.#follow(leadership));
    this.#follow(options.store.leadership);
  }

  /** Ends the work for good; resolves when it has ended, or after `deadlineMs` without it. */
  async close(deadlineMs: number): Promise<void> {
    this.#endLeadership();
    this.#current?.controller.abort();
    this.#current = null;
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.#options.clock.after(deadlineMs, resolve);
    });
    await Promise.race([Promise.all(this.#ended), late]);
    cancel();
  }

  #follow({ role, term }: Leadership): void {
    const leads = role === 'leader' ? term : null;
    if (leads === (this.#current?.term ?? null)) return;
    this.#current?.controller.abort();
    this.#current = null;
    if (leads === null) return;
    const controller = new AbortController();
    this.#current = { term: leads, controller };
    const ended = this.#lead(leads, controller.signal).finally(() => this.#ended.delete(ended));
    this.#ended.add(ended);
  }

  async #lead(term: number, signal: AbortSignal): Promise<void> {
    const { store, work, barrierDeadlineMs, report } = this.#options;
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        await store.readBarrier({ deadlineMs: barrierDeadlineMs, signal });
        if (signal.aborted) return;
        report({ event: 'leader_work_started', term });
        await work(term, signal);
        report({ event: 'leader_work_ended', term });
        return;
      } catch (cause) {
        if (signal.aborted) return;
        await this.#rest(failures, cause, signal);
      }
    }
  }

  #rest(failures: number, cause: unknown, signal: AbortSignal): Promise<void> {
    const { failureBackoff, clock, report } = this.#options;
    const retryAfterMs = backoffDelayMs(failureBackoff, failures);
    const error = cause instanceof Error ? cause : new Error(String(cause));
    report({ event: 'work_failed', work: 'lead', key: 'leadership', error, retryAfterMs });
    return new Promise((resolve) => {
      const cancel = clock.after(retryAfterMs, resolve);
      signal.addEventListener('abort', () => [cancel(), resolve()], { once: true });
    });
  }
}
