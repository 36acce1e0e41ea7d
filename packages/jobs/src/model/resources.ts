import { z } from 'zod';
import { quote } from './fault.ts';
import type { ResourceList, Resources } from './job.ts';
import { canonicalKeys, jsonObject } from './json-object.ts';
import { nearestKey } from './nearest-key.ts';
import { compareQuantities, parseQuantity, quantitySign } from './quantity.ts';

/** What a job may use when its definition says nothing. */
const defaultResources: ResourceList = { cpu: '100m', memory: '100Mi' };

/** Keys without a domain, as Kubernetes knows them, and `gpu`; read case-insensitively. Others are `domain/name`. */
const plainKeys = ['cpu', 'memory', 'ephemeral-storage', 'gpu'];
const plainForm = /^(?:cpu|memory|ephemeral-storage|gpu|hugepages-\d+[KMGT]i)$/;
const domainForm =
  /^(?=.{1,253}\/)[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?$/;
const byteForm = /^(?:memory|ephemeral-storage|hugepages-.*)$/;
const keysMax = 32;

/** A quantity, written as a text or a number; never negative. */
const quantitySchema = z.preprocess(
  (value) => (typeof value === 'number' ? String(value) : value),
  z.string().superRefine((text, { addIssue }) => {
    const quantity = parseQuantity(text);
    if (typeof quantity === 'string') addIssue(`${quote(text)} is not a quantity: ${quantity}`);
    else if (quantitySign(quantity) < 0) addIssue(`${quote(text)} is negative`);
  }),
);

const resourceListSchema = z
  .preprocess((value) => canonicalKeys(value, plainKeys), z.record(z.string(), quantitySchema))
  .superRefine(
    (list, { addIssue }) => {
      const keys = Object.keys(list ?? {});
      if (keys.length > keysMax) addIssue(`it has ${keys.length} keys; at most ${keysMax} are read`);
      for (const key of keys.slice(0, keysMax)) {
        const message = keySentence(key) ?? byteSentence(key, list[key]);
        if (message !== null) addIssue({ code: 'custom', message, path: [key] });
      }
    },
    { when: () => true },
  );

/** `Resources` as JSON has it, in definitions and in requests. */
export const resourcesSchema = jsonObject({
  Requests: resourceListSchema.optional(),
  Limits: resourceListSchema.optional(),
});

/** Requests and limits as asked; what is absent is left to the definition. */
export type ResourcesAsked = Partial<Resources>;

/** Renames what the schema has checked. */
export function toResourcesAsked({ Requests, Limits }: z.output<typeof resourcesSchema>): ResourcesAsked {
  return {
    ...(Requests === undefined ? {} : { requests: Requests }),
    ...(Limits === undefined ? {} : { limits: Limits }),
  };
}

function keySentence(key: string): string | null {
  if (plainForm.test(key) || domainForm.test(key)) return null;
  const nearest = nearestKey(key, plainKeys);
  if (nearest?.toLowerCase() === key.toLowerCase())
    return `${quote(key)} is ${quote(nearest)} again; keep one`;
  const hint =
    nearest === null
      ? `known are ${plainKeys.join(', ')} and "domain/name"`
      : `did you mean ${quote(nearest)}?`;
  return `${quote(key)} is not a resource; ${hint}`;
}

/** Kubernetes takes `memory: 400m` for 0.4 bytes; nobody means that. */
function byteSentence(key: string, text: unknown): string | null {
  if (!byteForm.test(key) || typeof text !== 'string') return null;
  if (!isAbove(text, '0') || !isAbove('1', text)) return null;
  const hint = text.endsWith('m') ? `; did you mean ${quote(`${text.slice(0, -1)}Mi`)}?` : '';
  return `${quote(text)} is less than one byte${hint}`;
}

/**
 * The resources of a definition. For cpu and memory, an absent limit is the default or the request, whichever is
 * greater, and an absent request is the default or the limit, whichever is smaller.
 */
export function completeResources({ requests = {}, limits = {} }: ResourcesAsked): Resources {
  const complete = { requests: { ...requests }, limits: { ...limits } };
  for (const [key, usual] of Object.entries(defaultResources)) {
    const request = requests[key];
    const limit = limits[key] ?? (request !== undefined && isAbove(request, usual) ? request : usual);
    complete.limits[key] = limit;
    complete.requests[key] = request ?? (isAbove(usual, limit) ? limit : usual);
  }
  return complete;
}

/** Keys whose request is above their limit, in the order of the requests. Quantities that do not parse are passed over. */
export function requestsAboveLimits({ requests, limits }: Resources): readonly string[] {
  return Object.keys(requests).filter((key) => {
    const limit = quantityOf(limits, key);
    return limit !== null && isAbove(requests[key] ?? '0', limit);
  });
}

/** Own keys only: `constructor` is no resource. */
export function quantityOf(list: ResourceList, key: string): string | null {
  return Object.hasOwn(list, key) ? (list[key] ?? null) : null;
}

/** Whether one quantity is above another; false when one of them does not parse. */
export function isAbove(text: string, other: string): boolean {
  const left = parseQuantity(text);
  const right = parseQuantity(other);
  return typeof left !== 'string' && typeof right !== 'string' && compareQuantities(left, right) > 0;
}
