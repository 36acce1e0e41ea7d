import { nameLengthMax } from '../state-machine/limits.ts';
import { Problem } from './problem.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** An unpaired surrogate has no UTF-8 form: it would come back as another name. */
const UNPAIRED = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The object that a body is. @throws Problem `malformed_request`, as all below */
export function parseJsonObject(body: Buffer): JsonObject {
  try {
    return asObject('The body', JSON.parse(body.toString('utf8')));
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw malformed('The body', `is not JSON: ${error.message}`);
    }
    throw error;
  }
}

export function asObject(what: string, value: unknown): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(what, 'is not an object');
  }
  return value as JsonObject;
}

/** A list of at most `lengthMax`; absent = empty. */
export function asList(what: string, value: unknown, lengthMax: number): readonly unknown[] {
  if (value === undefined) {
    return [];
  }
  if (!Array.isArray(value) || value.length > lengthMax) {
    throw malformed(what, `is not a list of at most ${lengthMax}`);
  }
  return value;
}

/** The name of a hashset or field. */
export function asName(what: string, value: unknown): string {
  if (
    typeof value !== 'string' ||
    value.length === 0 ||
    value.length > nameLengthMax ||
    UNPAIRED.test(value)
  ) {
    throw malformed(what, `is not a name of 1 to ${nameLengthMax} characters of well-formed Unicode`);
  }
  return value;
}

/** A safe integer that is not negative. */
export function asCount(what: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw malformed(what, 'is not a whole number from 0 on');
  }
  return value;
}

/** The same, as text. */
export function parseCount(what: string, text: string): number {
  return asCount(what, /^\d{1,16}$/.test(text) ? Number(text) : null);
}

export function asBytes(what: string, value: unknown): Buffer {
  if (typeof value !== 'string' || !BASE64.test(value)) {
    throw malformed(what, 'is not base64');
  }
  return Buffer.from(value, 'base64');
}

export function asOneOf<T extends string>(what: string, value: unknown, words: readonly T[]): T {
  const found = words.find((word) => word === value);
  if (found === undefined) {
    throw malformed(what, `is none of ${words.map((word) => `"${word}"`).join(', ')}`);
  }
  return found;
}

function malformed(what: string, why: string): Problem {
  return new Problem('malformed_request', `${what} ${why}.`);
}
