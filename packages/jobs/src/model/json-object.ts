import { z } from 'zod';
import { type Fault, type FaultCode, failed, formatPath, type Parsed, quote } from './fault.ts';
import { nearestKey } from './nearest-key.ts';

/** Unknown keys of one object that are looked at; the others change nothing about the refusal. */
const unknownKeysMax = 50;

/**
 * An object whose keys are read case-insensitively and come out as `shape` writes them (PascalCase). An optional key
 * that is null counts as absent. A key outside `shape` is a fault that names the nearest known key, or says
 * `elsewhere[key]` when it is known but not here. Faults of all keys are collected.
 */
export function jsonObject<Shape extends z.ZodRawShape>(
  shape: Shape,
  elsewhere: Readonly<Record<string, string>> = {},
) {
  const known = Object.keys(shape);
  const unknownKey = z.unknown().refine(() => false, {
    error: ({ path }) => unknownKeySentence(String(path?.at(-1)), known, elsewhere),
    params: { code: 'unknown_key' satisfies FaultCode },
  });
  return z.preprocess((value) => canonicalKeys(value, known), z.object(shape).catchall(unknownKey));
}

/** A list with a bound on its length. */
export function jsonArray<Item extends z.ZodType>(item: Item, lengthMax: number) {
  return z.array(item).max(lengthMax);
}

/** A text with a bound on its length and without NUL, which no platform can pass on. */
export function jsonText(lengthMax: number) {
  return z
    .string()
    .max(lengthMax)
    .refine((text) => !text.includes('\0'), {
      error: 'it has a NUL character, which no platform can pass on',
    });
}

/** A text of one form; `form` completes "... must be". The value is quoted in the fault: not for secrets. */
export function jsonPattern(pattern: RegExp, lengthMax: number, form: string) {
  return z
    .string()
    .max(lengthMax)
    .regex(pattern, { error: ({ input }) => `${quote(String(input))} must be ${form}` });
}

/** Checks a JSON value; every fault is reported, with `path` in front of its own. */
export function parseValue<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  path: readonly PropertyKey[] = [],
): Parsed<z.output<Schema>> {
  const result = schema.safeParse(value, { error: sentence });
  if (result.success) return { ok: true, value: result.data };
  return failed(result.error.issues.map((issue) => faultOf(issue, path)));
}

/**
 * Gives known keys their exact spelling and drops those that are null. The exact spelling wins its key; what else claims
 * the same key stays as it is, and so becomes an unknown key. Anything but an object is handed back.
 */
export function canonicalKeys(value: unknown, known: readonly string[]): unknown {
  if (!isObject(value)) return value;
  const canonical = new Map(known.map((key) => [key.toLowerCase(), key]));
  const taken = new Set(known.filter((key) => Object.hasOwn(value, key)));
  const result: Record<string, unknown> = {};
  let unknownKeys = 0;
  for (const [key, item] of Object.entries(value)) {
    const name = canonical.get(key.toLowerCase());
    if (name !== undefined && (name === key || !taken.has(name))) {
      taken.add(name);
      if (item !== null) result[name] = item;
    } else if (unknownKeys < unknownKeysMax) {
      unknownKeys += 1;
      result[key] = item;
    }
  }
  return result;
}

/** True for a JSON object; false for lists, null and plain values. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unknownKeySentence(
  key: string,
  known: readonly string[],
  elsewhere: Readonly<Record<string, string>>,
): string {
  const is = (candidate: string) => candidate.toLowerCase() === key.toLowerCase();
  const twice = known.find(is);
  if (twice !== undefined) return `${quote(key)} is ${quote(twice)} again; keep one`;
  const place = Object.keys(elsewhere).find(is);
  if (place !== undefined) return `${quote(key)} ${elsewhere[place]}`;
  const nearest = nearestKey(key, known);
  const hint = nearest === null ? `known are ${known.join(', ')}` : `did you mean ${quote(nearest)}?`;
  return `nothing reads the key ${quote(key)}; ${hint}`;
}

function faultOf(issue: z.core.$ZodIssue, path: readonly PropertyKey[]): Fault {
  const isCustom = issue.code === 'custom';
  const code = (isCustom ? issue.params?.['code'] : undefined) ?? 'invalid_value';
  const text = issue.message;
  const message = `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? '' : '.'}`;
  return { code, path: formatPath([...path, ...issue.path]), message };
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

/** Values are not quoted here: they may be secrets. */
function sentence(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type': {
      const expected = typeNames[issue.expected] ?? issue.expected;
      return issue.input === undefined
        ? `it is missing; write ${expected}`
        : `write ${expected}, not ${nameOf(issue.input)}`;
    }
    case 'too_small':
      return `it must be at least ${issue.minimum}${unit(issue.origin)}${given(issue.input)}`;
    case 'too_big':
      return `it must be at most ${issue.maximum}${unit(issue.origin)}${given(issue.input)}`;
    case 'invalid_value':
      return oneOf(issue.values.map(String), issue.input);
    default:
      return 'this value cannot be used';
  }
}

function oneOf(values: readonly string[], input: unknown): string {
  const asked = typeof input === 'string' ? quote(input) : nameOf(input);
  return `write one of ${values.map(quote).join(', ')}, not ${asked}`;
}

function unit(origin: string): string {
  if (origin === 'string') return ' characters long';
  return origin === 'array' ? ' items long' : '';
}

function given(input: unknown): string {
  return typeof input === 'number' ? `, not ${input}` : '';
}

function nameOf(input: unknown): string {
  if (input === null) return 'null';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'number' && !Number.isInteger(input)) return `the number ${input}`;
  return typeNames[typeof input] ?? typeof input;
}
