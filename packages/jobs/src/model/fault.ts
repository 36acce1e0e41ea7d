/**
 * What can be wrong with something a user wrote.
 * - `malformed_json`: the text is not JSON, or exceeds a bound on its size. Nothing else was looked at.
 * - `duplicate_key`: an object gives one key twice.
 * - `unknown_key`: nothing reads this key.
 * - `invalid_value`: a value of the wrong type, form or range.
 * - `invalid_name`: not a job name.
 * - `invalid_cron`: not a cron expression.
 */
export type FaultCode =
  | 'malformed_json'
  | 'duplicate_key'
  | 'unknown_key'
  | 'invalid_value'
  | 'invalid_name'
  | 'invalid_cron';

/** One thing that is wrong with an input. */
export interface Fault<Code extends string = FaultCode> {
  readonly code: Code;
  /** Where, as `Configurations.fibonacci.Resources.Limits.cpu`; empty = the input as a whole. */
  readonly path: string;
  /** One sentence: what, which, what next. Never holds an argument or an environment value. */
  readonly message: string;
}

/** A typed value, or every fault that kept it from being one (at least one, in the order of the text). */
export type Parsed<Value, Code extends string = FaultCode> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly faults: readonly Fault<Code>[] };

export const faultsMax = 100;

/** Keeps the first `faultsMax` faults, so that a hostile input cannot make the answer long. */
export function failed<Code extends string>(
  faults: readonly Fault<Code>[],
): { readonly ok: false; readonly faults: readonly Fault<Code>[] } {
  return { ok: false, faults: faults.length > faultsMax ? faults.slice(0, faultsMax) : faults };
}

/** Faults for a terminal or a log: one a line, each with its path. */
export function formatFaults(faults: readonly Fault<string>[]): string {
  return faults.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('\n');
}

/** Writes a path: `['Configurations', 'a', 'Environments', 0]` is `Configurations.a.Environments[0]`. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else if (/^[\w-]{1,80}$/.test(String(key))) text += text === '' ? String(key) : `.${String(key)}`;
    else text += `[${quote(String(key))}]`;
  }
  return text;
}

const quotedCharactersMax = 80;

/** A user's text inside a message: in quotes, escaped, and cut when long. */
export function quote(text: string): string {
  const cut = text.length > quotedCharactersMax ? `${text.slice(0, quotedCharactersMax)}...` : text;
  return JSON.stringify(cut);
}
