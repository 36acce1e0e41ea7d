import type { FieldRecord, StateView } from '../state-machine/transaction.ts';
import { asCount, asList, asName, asOneOf, parseCount, parseJsonObject } from './json-value.ts';
import type { StoreApiLimits } from './limits.ts';
import { Problem } from './problem.ts';

/**
 * How fresh an answer is. `linearizable`: everything acknowledged anywhere before the request. `leader`: what the
 * member that takes itself for the leader has applied, without asking a majority whether it still is. `local`: what
 * the asked member has applied.
 */
export const CONSISTENCIES = ['linearizable', 'leader', 'local'] as const;
export type Consistency = (typeof CONSISTENCIES)[number];

export interface ReadRequest {
  readonly hashset: string;
  /** Empty = a page of all fields, in order of creation. */
  readonly fields: readonly string[];
  readonly consistency: Consistency;
  /** Fields on a page. */
  readonly limit: number;
  /** Where the page before ended; null = from the first field on. */
  readonly after: PageEnd | null;
}

/** The last field of a page. */
interface PageEnd {
  readonly createdIndex: number;
  readonly field: string;
}

/** One field as JSON; the value in base64. */
interface ReadField {
  readonly field: string;
  readonly value: string;
  readonly createdIndex: number;
  readonly version: number;
}

export interface ReadAnswer {
  /** The state that was read: everything up to this index. */
  readonly appliedIndex: number;
  readonly hashset: string;
  /** All fields that the hashset has. */
  readonly size: number;
  /** Those that exist, in the order asked for or, on a page, of creation. */
  readonly fields: readonly ReadField[];
  /** To be given for the next page; null = this was the last. */
  readonly continue: string | null;
}

/** Reads `?hashset=&field=&field=&consistency=&limit=&continue=`. @throws Problem `malformed_request` */
export function parseReadQuery(query: URLSearchParams, limits: StoreApiLimits): ReadRequest {
  const limit = query.get('limit');
  return createRequest(
    {
      hashset: query.get('hashset'),
      fields: query.getAll('field'),
      consistency: query.get('consistency') ?? undefined,
      limit: limit === null ? undefined : parseCount('limit', limit),
      continue: query.get('continue') ?? undefined,
    },
    limits,
  );
}

/** The same as a JSON body; the fields are a list `fields`. @throws Problem `malformed_request` */
export function parseReadBody(body: Buffer, limits: StoreApiLimits): ReadRequest {
  return createRequest(parseJsonObject(body), limits);
}

function createRequest(said: Readonly<Record<string, unknown>>, { fieldsMax }: StoreApiLimits): ReadRequest {
  const { hashset, fields, consistency = 'linearizable', limit = fieldsMax } = said;
  const end = said['continue'];
  return {
    hashset: asName('hashset', hashset),
    fields: asList('fields', fields, fieldsMax).map((each, at) => asName(`fields[${at}]`, each)),
    consistency: asOneOf('consistency', consistency, CONSISTENCIES),
    limit: Math.min(Math.max(asCount('limit', limit), 1), fieldsMax),
    after: end === undefined ? null : parsePageEnd(end),
  };
}

/** Reads one instant of the state. @throws Problem `too_large` */
export function readState(view: StateView, request: ReadRequest, limits: StoreApiLimits): ReadAnswer {
  const { hashset } = request;
  const { appliedIndex } = view;
  const page = request.fields.length > 0 ? named(view, request, limits) : listed(view, request, limits);
  return { appliedIndex, hashset, size: view.size(hashset), ...page };
}

type Page = Pick<ReadAnswer, 'fields' | 'continue'>;

function named(view: StateView, { hashset, fields }: ReadRequest, { namedBytesMax }: StoreApiLimits): Page {
  let bytes = 0;
  const found: ReadField[] = [];
  for (const field of fields) {
    const record = view.get(hashset, field);
    bytes += record?.value.length ?? 0;
    if (bytes > namedBytesMax) {
      throw new Problem(
        'too_large',
        `These values are more than ${namedBytesMax} bytes: ask for fewer fields.`,
      );
    }
    if (record !== undefined) {
      found.push(formatField(field, record));
    }
  }
  return { fields: found, continue: null };
}

function listed(
  view: StateView,
  { hashset, limit, after }: ReadRequest,
  { pageBytesMax }: StoreApiLimits,
): Page {
  const fields: ReadField[] = [];
  let bytes = 0;
  for (const [field, record] of entriesAfter(view, hashset, after)) {
    const last = fields.at(-1);
    if (last !== undefined && (fields.length >= limit || bytes + record.value.length > pageBytesMax)) {
      return { fields, continue: formatPageEnd(last) };
    }
    bytes += record.value.length;
    fields.push(formatField(field, record));
  }
  return { fields, continue: null };
}

/**
 * The fields that come after the end of a page. Fields of one transaction share an index: if the one that ended the
 * page is gone, all of that index come again rather than any be left out.
 */
function* entriesAfter(view: StateView, hashset: string, after: PageEnd | null) {
  if (after === null) {
    yield* view.entries(hashset);
    return;
  }
  const exists = view.get(hashset, after.field)?.createdIndex === after.createdIndex;
  let passed = !exists;
  for (const entry of view.entries(hashset)) {
    const { createdIndex } = entry[1];
    if (createdIndex > after.createdIndex || (createdIndex === after.createdIndex && passed)) {
      yield entry;
    }
    passed ||= entry[0] === after.field;
  }
}

function formatField(field: string, { value, createdIndex, version }: FieldRecord): ReadField {
  return { field, value: Buffer.from(value).toString('base64'), createdIndex, version };
}

function formatPageEnd({ createdIndex, field }: ReadField): string {
  return `${createdIndex}:${field}`;
}

function parsePageEnd(value: unknown): PageEnd {
  const [, index, field] = (typeof value === 'string' ? /^(\d+):(.+)$/s.exec(value) : null) ?? [];
  return { createdIndex: parseCount('continue', index ?? ''), field: asName('continue', field) };
}
