import type { Model, Operation } from './model.ts';

/**
 * The definition, word for word: some choice of the unanswered operations, in some order together with all answered
 * ones, breaks neither real time nor the model. For histories of very few operations on one object.
 */
export function isLinearizableByBruteForce<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
): boolean {
  const unanswered = operations.filter(({ output }) => output === undefined);
  const answered = operations.filter(({ output }) => output !== undefined);
  return subsets(unanswered).some((chosen) =>
    permutations([...answered, ...chosen]).some((order) => keepsTime(order) && isAllowed(model, order)),
  );
}

function subsets<T>(list: readonly T[]): T[][] {
  const [first, ...others] = list;
  if (first === undefined) {
    return [[]];
  }
  return subsets(others).flatMap((set) => [set, [first, ...set]]);
}

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length === 0) {
    return [[]];
  }
  return list.flatMap((first, position) =>
    permutations(list.filter((_, other) => other !== position)).map((rest) => [first, ...rest]),
  );
}

function keepsTime<Input, Output>(order: readonly Operation<Input, Output>[]): boolean {
  return order.every((operation, position) =>
    order.slice(position + 1).every((later) => later.returnedAt >= operation.invokedAt),
  );
}

function isAllowed<State, Input, Output>(
  model: Model<State, Input, Output>,
  order: readonly Operation<Input, Output>[],
): boolean {
  let state: State | null = model.initial;
  for (const { input, output } of order) {
    state = model.step(state, input, output);
    if (state === null) {
      return false;
    }
  }
  return true;
}
