import { expect } from 'chai';
import { formatFaults, type Parsed } from '../../src/model/fault.ts';

/** The value of an accepted input; fails the test, naming the faults, when it was refused. */
export function accepted<Value, Code extends string>(parsed: Parsed<Value, Code>): Value {
  if (!parsed.ok) expect.fail(`refused: ${formatFaults(parsed.faults)}`);
  return parsed.value;
}

/** `code path` of every fault of a refused input; fails the test when it was accepted. */
export function refused<Code extends string>(parsed: Parsed<unknown, Code>): readonly string[] {
  if (parsed.ok) expect.fail(`accepted: ${JSON.stringify(parsed.value)}`);
  return parsed.faults.map(({ code, path }) => `${code} ${path}`);
}

/** The sentences of a refused input, one a line. */
export function sentences<Code extends string>(parsed: Parsed<unknown, Code>): string {
  if (parsed.ok) expect.fail(`accepted: ${JSON.stringify(parsed.value)}`);
  return parsed.faults.map(({ message }) => message).join('\n');
}
