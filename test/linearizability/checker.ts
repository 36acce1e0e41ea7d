import type { Model, Operation } from './model.ts';
import { Search, type Verdict } from './search.ts';

export interface CheckOptions {
  /** Steps spent on all objects together before the answer is `undecided`. */
  readonly stepsMax?: number;
}

export interface CheckResult {
  readonly verdict: Verdict;
  /** Over all objects. */
  readonly steps: number;
  readonly operations: number;
  readonly keys: number;
  /** What was found out about the object that decided, unless all is well: for a reader. */
  readonly explanation: string;
}

const stepsMaxDefault = 2_000_000;
/** Steps that each object gets in the first round; doubled in every further one. */
const firstRoundSteps = 1_000;

interface Partition<State, Input, Output> {
  readonly key: string;
  readonly search: Search<State, Input, Output>;
}

/**
 * Whether the history could have come from one correct object per key that did one thing at a time. The objects are
 * searched in turns: one that is hard to decide (many calls at once, many unknown outcomes) neither delays the proof
 * that another is wrong nor uses up what the others need.
 */
export function checkHistory<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  options: CheckOptions = {},
): CheckResult {
  const stepsMax = options.stepsMax ?? stepsMaxDefault;
  const all = [...byKey(operations)].map(
    ([key, ofKey]): Partition<State, Input, Output> => ({ key, search: new Search(model, ofKey) }),
  );
  let open = all;
  for (let roundSteps = firstRoundSteps; open.length > 0; roundSteps *= 2) {
    const undecided: Partition<State, Input, Output>[] = [];
    for (const partition of open) {
      const left = stepsMax - stepsOf(all);
      const verdict = left > 0 ? partition.search.run(Math.min(roundSteps, left)) : 'undecided';
      if (verdict === 'not_linearizable' || left <= 0) {
        return result(verdict, operations, all, explain(verdict, partition));
      }
      if (verdict === 'undecided') {
        undecided.push(partition);
      }
    }
    open = undecided;
  }
  return result('linearizable', operations, all, '');
}

function byKey<Input, Output>(
  operations: readonly Operation<Input, Output>[],
): Map<string, Operation<Input, Output>[]> {
  const lists = new Map<string, Operation<Input, Output>[]>();
  for (const operation of operations) {
    const list = lists.get(operation.key) ?? [];
    list.push(operation);
    lists.set(operation.key, list);
  }
  return lists;
}

function stepsOf<State, Input, Output>(partitions: readonly Partition<State, Input, Output>[]): number {
  return partitions.reduce((sum, { search }) => sum + search.steps, 0);
}

function result<State, Input, Output>(
  verdict: Verdict,
  operations: readonly Operation<Input, Output>[],
  partitions: readonly Partition<State, Input, Output>[],
  explanation: string,
): CheckResult {
  const steps = stepsOf(partitions);
  return { verdict, steps, operations: operations.length, keys: partitions.length, explanation };
}

/** The end of the longest order, and what could not follow it. */
function explain<State, Input, Output>(
  verdict: Verdict,
  { key, search }: Partition<State, Input, Output>,
): string {
  const list = (operations: readonly Operation<Input, Output>[]): string =>
    operations.length === 0
      ? '  (none)'
      : operations.map((operation) => `  ${describe(operation)}`).join('\n');
  const order = search.longestOrder;
  return [
    `key "${key}" is ${verdict}; the longest order has ${order.length} operations, the last of them:`,
    list(order.slice(-12)),
    'what then nothing explains (first of it):',
    list(search.unexplained.slice(0, 12)),
  ].join('\n');
}

function describe<Input, Output>(operation: Operation<Input, Output>): string {
  const { client, input, output, invokedAt, returnedAt } = operation;
  const answer = output === undefined ? 'unknown' : JSON.stringify(output);
  return `${client}: ${JSON.stringify(input)} -> ${answer} [${invokedAt.toFixed(3)}, ${returnedAt.toFixed(3)}]`;
}
