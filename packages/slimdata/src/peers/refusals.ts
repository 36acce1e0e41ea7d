import type { Logger } from '../logger.ts';

/** Distinct refusals remembered, so that each is logged once. */
const REMEMBERED_MAX = 256;

export interface RefusalFacts {
  readonly detail: string;
  readonly peer?: string;
  readonly stream?: string;
  readonly remote?: string | undefined;
}

/** Whoever was not let in: counted by status each time, logged once per distinct reason. */
export class Refusals {
  private readonly logger: Logger;
  private readonly counts = new Map<number, number>();
  private readonly logged = new Set<string>();

  constructor(logger: Logger) {
    this.logger = logger;
  }

  add(status: number, facts: RefusalFacts): void {
    this.counts.set(status, (this.counts.get(status) ?? 0) + 1);
    if (this.logged.size < REMEMBERED_MAX && !this.logged.has(facts.detail)) {
      this.logged.add(facts.detail);
      this.logger.warn({ status, ...facts }, 'peer_refused');
    }
  }

  /** By status. */
  totals(): Record<number, number> {
    return Object.fromEntries(this.counts);
  }
}
