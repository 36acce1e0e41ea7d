import assert from 'node:assert/strict';
import type { JobLifeInput, JobLifeOutput, SeenStatus } from './job-life-model.ts';
import type { Operation } from './model.ts';
import type { RegisterInput, RegisterOutput } from './register-model.ts';

/** What stands between the brackets of a timeline: the call and its answer. */
interface Call<Input, Output> {
  readonly input: Input;
  readonly output: Output;
}

/**
 * Reads a history that is drawn, one line per client, time from left to right. A call lasts from its `[` to its `]`;
 * one that ends with `~` instead never got an answer. A word before the line's `|` names the object (`x` if none does).
 *
 *     [write 1    ]         [read 2]
 *         [write 2  ~
 */
export function parseTimeline<Input, Output>(
  drawing: string,
  parseCall: (text: string) => Call<Input, Output>,
): Operation<Input, Output>[] {
  return drawing.split('\n').flatMap((line, row) => {
    const bar = line.indexOf('|');
    const key = bar === -1 ? 'x' : line.slice(0, bar).trim();
    return [...line.matchAll(/\[([^\]~]+)([\]~])/g)].map((match): Operation<Input, Output> => {
      const isUnknown = match[2] === '~';
      const { input, output } = parseCall((match[1] ?? '').trim());
      return {
        client: `client ${row}`,
        key,
        input,
        output: isUnknown ? undefined : output,
        invokedAt: match.index,
        returnedAt: isUnknown ? Number.POSITIVE_INFINITY : match.index + match[0].length - 1,
      };
    });
  });
}

const valueIn = (word: string | undefined): string | null => (word === '-' ? null : (word ?? null));

/** `write 1`, `read 1`, `cas 1 2`, `cas 1 2 refused`; `-` is no value. */
export function parseRegisterCall(text: string): Call<RegisterInput, RegisterOutput> {
  const [call, first, second, answer] = text.split(/\s+/);
  switch (call) {
    case 'read':
      return { input: { call }, output: { value: valueIn(first) } };
    case 'write':
      return { input: { call, value: valueIn(first) }, output: 'applied' };
    case 'cas':
      return {
        input: { call, expected: valueIn(first), value: valueIn(second) },
        output: answer === 'refused' ? 'refused' : 'applied',
      };
    default:
      return assert.fail(`"${text}" is no call of a register`);
  }
}

/** `post`, `get Running`, `get -`, `delete`, `delete not_found`. */
export function parseJobLifeCall(text: string): Call<JobLifeInput, JobLifeOutput> {
  const [call, word] = text.split(/\s+/);
  switch (call) {
    case 'post':
      return { input: { call }, output: 'accepted' };
    case 'get':
      return { input: { call }, output: { status: valueIn(word) as SeenStatus } };
    case 'delete':
      return { input: { call }, output: word === 'not_found' ? 'not_found' : 'removed' };
    default:
      return assert.fail(`"${text}" is no call about a job`);
  }
}
