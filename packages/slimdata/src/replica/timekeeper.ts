import type { Logger } from '../logger.ts';
import type { RaftCore } from '../raft/raft-core.ts';

export interface TimekeeperOptions {
  readonly core: RaftCore;
  readonly electionTimeoutMs: number;
  readonly electionTicks: number;
  readonly logger: Logger;
}

/**
 * Passes ticks to the core, and notices when this member was held up (a stopped process, a long pause). A follower
 * then gets one tick, after its mail; a leader may long have been replaced, and loses its office before its mail.
 */
export class Timekeeper {
  readonly #options: TimekeeperOptions;
  #lastTickAt: number;

  constructor(options: TimekeeperOptions, now: number) {
    this.#options = options;
    this.#lastTickAt = now;
  }

  /**
   * Before a turn looks at anything that waited: a leader that overslept gets the ticks it missed until its check
   * for a quorum (thesis §6.2) makes it step down. Two periods of that check are enough: within the second one
   * nobody was heard. A cluster of one is its own quorum and goes on.
   */
  beforeMail(now: number): void {
    const { core, electionTimeoutMs, electionTicks, logger } = this.#options;
    const sleptMs = now - this.#lastTickAt;
    if (core.role !== 'leader' || sleptMs <= electionTimeoutMs) return;
    logger.warn({ sleptMs, term: core.term }, 'leader_overslept');
    this.#lastTickAt = now;
    for (let ticks = 0; ticks < 2 * electionTicks && core.role === 'leader'; ticks++) core.tick();
  }

  /** One tick, after the mail. */
  tick(now: number): void {
    this.#lastTickAt = now;
    this.#options.core.tick();
  }
}
