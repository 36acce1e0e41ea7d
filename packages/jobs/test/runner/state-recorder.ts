import type { RunState } from '../../src/runner/runner.ts';

/** Keeps what a runner reports and waits for reports. */
export interface StateRecorder {
  readonly states: RunState[];
  /** To be handed to `Runner.open`. */
  readonly record: (state: RunState) => void;
  /** The first report, past or future, of this run for which it holds. */
  until(runName: string, holds: (state: RunState) => boolean): Promise<RunState>;
  /** The report of its outcome. */
  untilEnded(runName: string): Promise<RunState>;
}

export function createStateRecorder(): StateRecorder {
  const states: RunState[] = [];
  const waiting = new Set<() => void>();

  async function until(runName: string, holds: (state: RunState) => boolean): Promise<RunState> {
    for (;;) {
      const found = states.find((state) => state.runName === runName && holds(state));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => waiting.add(resolve));
    }
  }

  return {
    states,
    record(state) {
      states.push(state);
      for (const wake of waiting) wake();
      waiting.clear();
    },
    until,
    untilEnded: (runName) => until(runName, (state) => state.finishTimestamp >= 0),
  };
}
