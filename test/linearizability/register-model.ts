import type { Model } from './model.ts';

/** null = the register does not exist. */
export type RegisterValue = string | null;

export type RegisterInput =
  | { readonly call: 'read' }
  | { readonly call: 'write'; readonly value: RegisterValue }
  /** Writes `value` if the register holds `expected`. */
  | { readonly call: 'cas'; readonly expected: RegisterValue; readonly value: RegisterValue };

export type RegisterOutput = { readonly value: RegisterValue } | 'applied' | 'refused';

export interface RegisterState {
  readonly value: RegisterValue;
}

/** One register with compare-and-set; begins without a value. */
export const registerModel: Model<RegisterState, RegisterInput, RegisterOutput> = {
  initial: { value: null },
  step(state, input, output) {
    switch (input.call) {
      case 'read':
        return output === undefined || (typeof output === 'object' && output.value === state.value)
          ? state
          : null;
      case 'write':
        return output === undefined || output === 'applied' ? { value: input.value } : null;
      case 'cas': {
        const answer = state.value === input.expected ? 'applied' : 'refused';
        const next = answer === 'applied' ? { value: input.value } : state;
        return output === undefined || output === answer ? next : null;
      }
    }
  },
  keyOf: ({ value }) => JSON.stringify(value),
};
