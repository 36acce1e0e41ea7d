import { hashsetName } from '../queue/hashset-name.ts';
import type { QueuedRecord } from '../queue/job-record.ts';
import type { Stored } from '../queue/job-records.ts';
import type { LeaderTerm } from './leader-term.ts';

/** Most jobs in one claim, a bound on the size of its transaction. */
const claimJobsMax = 32;
/** Claims in a row before other names get their turn. */
const claimsMax = 16;

/** Moves the heads of one name's queue into runs while the name is below its cap, first in first out. */
export class ClaimWork {
  readonly #term: LeaderTerm;

  constructor(term: LeaderTerm) {
    this.#term = term;
  }

  /** Looks at one job name. Answers when to look again by itself. @throws StoreError */
  async pass(jobName: string): Promise<number | null> {
    const { queue, records, claimant, signal, times, findDefinition } = this.#term;
    const definition = findDefinition(jobName);
    if (definition === null) return null;
    for (let claims = 0; claims < claimsMax; claims += 1) {
      if (signal.aborted) return null;
      const free = definition.numberParallelJob - records.view.size(hashsetName('Run', jobName));
      const heads = this.#heads(jobName, Math.min(free, claimJobsMax));
      if (heads.length === 0) return null;
      const options = { deadlineMs: times.transactionDeadlineMs, signal };
      const outcome = await queue.claim(heads, definition.numberParallelJob, claimant, options);
      if (outcome === 'full' || outcome === 'superseded') return null;
    }
    return 0;
  }

  #heads(jobName: string, count: number): Stored<QueuedRecord>[] {
    const heads: Stored<QueuedRecord>[] = [];
    if (count <= 0) return heads;
    for (const queued of this.#term.records.queued(jobName)) {
      heads.push(queued);
      if (heads.length >= count) break;
    }
    return heads;
  }
}
