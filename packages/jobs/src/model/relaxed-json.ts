import { type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import { type Fault, failed, faultsMax, formatPath, type Parsed, quote } from './fault.ts';

export interface JsonLimits {
  /** Longest text, in UTF-16 code units (for a text given as bytes: in bytes). */
  readonly lengthMax: number;
  /** Deepest nesting of objects and arrays. */
  readonly depthMax: number;
  /** Most commas, a measure of how many values there are. */
  readonly valuesMax: number;
}

/** Bounds of a request body. */
const bodyLimits: JsonLimits = { lengthMax: 1024 * 1024, depthMax: 32, valuesMax: 20_000 };
/** Bounds of a whole configuration. */
export const configurationLimits: JsonLimits = {
  lengthMax: 16 * 1024 * 1024,
  depthMax: 32,
  valuesMax: 500_000,
};

/**
 * Reads JSON that people write: also with comments after `#` or `//` (or as a block), trailing commas and a
 * byte order mark. A text that is JSON in the strict sense (RFC 8259) reads as `JSON.parse` reads it, except that a key
 * given twice and the key `__proto__` are faults. Never throws. The first syntax error ends the reading, because
 * those after it are guesses; duplicate keys are all reported.
 */
export function parseRelaxedJson(
  input: string | Uint8Array,
  limits: JsonLimits = bodyLimits,
): Parsed<unknown> {
  if (input.length > limits.lengthMax) {
    return malformed(`The text has ${input.length} characters; at most ${limits.lengthMax} are read.`);
  }
  const decoded = typeof input === 'string' ? input : decodeUtf8(input);
  if (decoded === null) return malformed('The text is not UTF-8.');
  const source = decoded.startsWith('\uFEFF') ? ` ${decoded.slice(1)}` : decoded;

  const { text, depth, commas } = blankHashComments(source);
  if (depth > limits.depthMax) {
    return malformed(
      `Objects and arrays are nested ${depth} deep; at most ${limits.depthMax} levels are read.`,
    );
  }
  if (commas > limits.valuesMax) {
    return malformed(`The text has more than ${limits.valuesMax} values; at most that many are read.`);
  }
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true });
  const [error] = errors;
  if (error !== undefined || root === undefined) {
    return malformed(syntaxSentence(text, error ?? { error: 4, offset: 0, length: 0 }));
  }
  const faults: Fault[] = [];
  const value = readNode(root, { text, path: [], faults });
  return faults.length === 0 ? { ok: true, value } : failed(faults);
}

function malformed(message: string): Parsed<never> {
  return failed([{ code: 'malformed_json', path: '', message }]);
}

function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

interface Scan {
  readonly text: string;
  readonly depth: number;
  readonly commas: number;
}

/**
 * Replaces `#` comments by spaces of the same length, so that offsets stay true, and measures on the way. It must take
 * strings and comments for exactly what the parser takes them for: the bound on depth keeps the parser's stack safe.
 */
function blankHashComments(source: string): Scan {
  const pieces: string[] = [];
  let copied = 0;
  let open = 0;
  let depth = 0;
  let commas = 0;
  let at = 0;
  while (at < source.length) {
    const start = at;
    const sign = source.charAt(at);
    at = tokenEnd(source, at);
    if (sign === '#') {
      pieces.push(source.slice(copied, start), ' '.repeat(at - start));
      copied = at;
    } else if (sign === ',') commas += 1;
    else if (sign === '}' || sign === ']') open -= 1;
    else if (sign === '{' || sign === '[') {
      open += 1;
      depth = Math.max(depth, open);
    }
  }
  pieces.push(source.slice(copied));
  return { text: pieces.join(''), depth, commas };
}

/** End of the string or comment that begins here; of one character when none does. */
function tokenEnd(source: string, start: number): number {
  const sign = source.charAt(start);
  if (sign === '"') return stringEnd(source, start + 1);
  if (sign === '#') return lineEnd(source, start);
  if (sign !== '/') return start + 1;
  const next = source.charAt(start + 1);
  if (next === '/') return lineEnd(source, start);
  if (next !== '*') return start + 1;
  const close = source.indexOf('*/', start + 2);
  return close === -1 ? source.length : close + 2;
}

/** As the parser: a backslash hides the next character, a line break ends a string that was not closed. */
function stringEnd(source: string, start: number): number {
  for (let at = start; at < source.length; at += 1) {
    const sign = source.charAt(at);
    if (sign === '\\') at += 1;
    else if (sign === '"') return at + 1;
    else if (sign === '\n' || sign === '\r') return at;
  }
  return source.length;
}

function lineEnd(source: string, start: number): number {
  let at = start;
  while (at < source.length && source.charAt(at) !== '\n' && source.charAt(at) !== '\r') at += 1;
  return at;
}

interface Reading {
  readonly text: string;
  readonly path: PropertyKey[];
  readonly faults: Fault[];
}

/** Recursion is bounded by `depthMax`. */
function readNode(node: Node, reading: Reading): unknown {
  if (node.type === 'array') {
    return (node.children ?? []).map((child, index) => {
      reading.path.push(index);
      const value = readNode(child, reading);
      reading.path.pop();
      return value;
    });
  }
  if (node.type !== 'object') return node.value;
  const object: Record<string, unknown> = {};
  for (const property of node.children ?? []) {
    if (reading.faults.length >= faultsMax) break;
    const [keyNode, valueNode] = property.children ?? [];
    if (keyNode === undefined || valueNode === undefined) continue;
    const key = String(keyNode.value);
    reading.path.push(key);
    const fault = keyFault(object, key, keyNode.offset, reading);
    if (fault === null) object[key] = readNode(valueNode, reading);
    else reading.faults.push(fault);
    reading.path.pop();
  }
  return object;
}

function keyFault(object: object, key: string, offset: number, { text, path }: Reading): Fault | null {
  if (key === '__proto__') {
    const message = `Nothing reads ${quote(key)} (${position(text, offset)}).`;
    return { code: 'unknown_key', path: formatPath(path), message };
  }
  if (!Object.hasOwn(object, key)) return null;
  const message = `${quote(key)} is given twice (again at ${position(text, offset)}); keep one.`;
  return { code: 'duplicate_key', path: formatPath(path), message };
}

const sentences: Readonly<Record<string, string>> = {
  InvalidSymbol: 'this is not JSON; texts and keys need double quotes',
  InvalidNumberFormat: 'this is not a number',
  PropertyNameExpected: 'a key in double quotes is missing',
  ValueExpected: 'a value is missing',
  ColonExpected: 'a ":" is missing',
  CommaExpected: 'a "," is missing',
  CloseBraceExpected: 'a "}" is missing',
  CloseBracketExpected: 'a "]" is missing',
  EndOfFileExpected: 'the text goes on after its end',
  UnexpectedEndOfComment: 'this comment is not closed',
  UnexpectedEndOfString: 'this text in quotes is not closed',
  UnexpectedEndOfNumber: 'this number is not complete',
  InvalidUnicode: 'after \\u, four hexadecimal digits are missing',
  InvalidEscapeCharacter: 'this text has an unknown \\ escape',
  InvalidCharacter: 'this text has a control character; write it as \\n, \\t or \\u....',
};

function syntaxSentence(text: string, { error, offset }: ParseError): string {
  const sentence = sentences[printParseErrorCode(error)] ?? 'this is not JSON';
  const where = position(text, offset);
  return `${where.charAt(0).toUpperCase()}${where.slice(1)}: ${sentence}.`;
}

/** Line and column, both from 1. */
function position(text: string, offset: number): string {
  let line = 1;
  let start = 0;
  for (let at = 0; at < offset; at += 1) {
    const sign = text.charAt(at);
    if (sign !== '\n' && (sign !== '\r' || text.charAt(at + 1) === '\n')) continue;
    line += 1;
    start = at + 1;
  }
  return `line ${line}, column ${offset - start + 1}`;
}
