import type { Model } from './model.ts';

/** What a caller sees of a job; null = 404. */
export type SeenStatus = 'Queued' | 'Pending' | 'Running' | 'Succeeded' | 'Failed' | null;

export type JobLifeInput =
  /** Asks for the job under its own key, so that a repeat changes nothing. */
  { readonly call: 'post' } | { readonly call: 'get' } | { readonly call: 'delete' };

export type JobLifeOutput = 'accepted' | 'removed' | 'not_found' | { readonly status: SeenStatus };

export interface JobLifeState {
  /** null = not there: not yet, or not any more. */
  readonly status: SeenStatus;
}

const stages: readonly (readonly SeenStatus[])[] = [
  ['Queued'],
  ['Pending'],
  ['Running'],
  ['Succeeded', 'Failed'],
];

function stageOf(status: SeenStatus): number {
  return stages.findIndex((statuses) => statuses.includes(status));
}

/**
 * The life of one job as callers see it: Queued, Pending, Running, then Succeeded or Failed, then deleted. The cluster
 * moves it on by itself, so a look may find it in its stage or a later one, but never in an earlier one, never with
 * another ending, and never gone unless it was deleted.
 */
export const jobLifeModel: Model<JobLifeState, JobLifeInput, JobLifeOutput> = {
  initial: { status: null },
  step(state, input, output) {
    switch (input.call) {
      case 'post':
        if (output !== undefined && output !== 'accepted') {
          return null;
        }
        return state.status === null ? { status: 'Queued' } : state;
      case 'get':
        if (output === undefined) {
          return state;
        }
        return typeof output === 'object' && mayFollow(state.status, output.status)
          ? { status: output.status }
          : null;
      case 'delete': {
        const answer = state.status === null ? 'not_found' : 'removed';
        return output === undefined || output === answer ? { status: null } : null;
      }
    }
  },
  keyOf: ({ status }) => String(status),
};

function mayFollow(before: SeenStatus, after: SeenStatus): boolean {
  if (before === null || after === null) {
    return before === after;
  }
  return before === after || stageOf(after) > stageOf(before);
}
