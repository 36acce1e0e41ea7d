import type { Runner, RunState } from '../runner/runner.ts';

/**
 * What the platform last said of each run. Kept only while somebody observes, that is while this member leads; a
 * report that arrives during a listing is newer than the listing.
 */
export class RunStates {
  readonly #states = new Map<string, RunState>();
  #reportedDuringListing: Set<string> | null = null;
  #observer: ((state: RunState) => void) | null = null;
  #listings = 0;

  /** Completed listings since the observation began; 0 = nothing is known yet. */
  get listings(): number {
    return this.#listings;
  }

  /** For `Runner.open`. */
  readonly report = (state: RunState): void => {
    if (this.#observer === null) return;
    this.#states.set(state.runName, state);
    this.#reportedDuringListing?.add(state.runName);
    this.#observer(state);
  };

  /** Begins anew with nothing known. The newest observer replaces the one before. Returns what ends it. */
  observe(observer: (state: RunState) => void): () => void {
    this.#clear();
    this.#observer = observer;
    return () => {
      if (this.#observer !== observer) return;
      this.#observer = null;
      this.#clear();
    };
  }

  get(runName: string): RunState | undefined {
    return this.#states.get(runName);
  }

  /** The run has been removed from the platform. */
  forget(runName: string): void {
    this.#states.delete(runName);
  }

  /** Replaces everything known by what the platform lists now. @throws RunnerError */
  async refresh(list: Runner['list']): Promise<readonly RunState[]> {
    const reported = new Set<string>();
    this.#reportedDuringListing = reported;
    const listed = await list();
    if (this.#reportedDuringListing !== reported) return listed;
    this.#reportedDuringListing = null;
    for (const runName of this.#states.keys()) {
      if (!reported.has(runName)) this.#states.delete(runName);
    }
    for (const state of listed) {
      if (!reported.has(state.runName)) this.#states.set(state.runName, state);
    }
    this.#listings += 1;
    return listed;
  }

  #clear(): void {
    this.#states.clear();
    this.#listings = 0;
    this.#reportedDuringListing = null;
  }
}
