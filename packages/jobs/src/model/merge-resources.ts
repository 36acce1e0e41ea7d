import { formatPath, quote } from './fault.ts';
import type { ResourceList, Resources } from './job.ts';
import type { Refusal } from './refusal.ts';
import { isAbove, quantityOf, type ResourcesAsked, requestsAboveLimits } from './resources.ts';

/**
 * Merges asked resources into the configured ones, key by key; an absent key keeps what is configured. The cap of a key
 * is its configured limit, else its configured request, else nothing: what the definition does not mention cannot be
 * asked for. `merged` is meaningful only when nothing was refused.
 */
export function mergeResources(
  configured: Resources,
  asked: ResourcesAsked = {},
): { readonly merged: Resources; readonly refusals: readonly Refusal[] } {
  const { requests = {}, limits = {} } = asked;
  const merged = {
    requests: { ...configured.requests, ...requests },
    limits: { ...configured.limits, ...limits },
  };
  const aboveCaps = [
    ...refuseAboveCaps(configured, 'Requests', requests),
    ...refuseAboveCaps(configured, 'Limits', limits),
  ];
  const refused = new Set(aboveCaps.map(({ key }) => key));
  const aboveLimits = requestsAboveLimits(merged).filter((key) => !refused.has(key));
  return {
    merged,
    refusals: [
      ...aboveCaps.map(({ refusal }) => refusal),
      ...aboveLimits.map((key) => refuseAboveLimit(merged, requests, key)),
    ],
  };
}

function refuseAboveCaps(
  configured: Resources,
  part: 'Requests' | 'Limits',
  asked: ResourceList,
): readonly { readonly key: string; readonly refusal: Refusal }[] {
  return Object.entries(asked).flatMap(([key, quantity]) => {
    const cap = quantityOf(configured.limits, key) ?? quantityOf(configured.requests, key);
    if (!isAbove(quantity, cap ?? '0')) return [];
    const allowed = cap === null ? 'none is allowed' : `at most ${quote(cap)} is allowed`;
    const message = `${quote(quantity)} of ${key} is asked for; ${allowed}.`;
    const path = formatPath(['Resources', part, key]);
    return [{ key, refusal: { code: 'resources_exceed_limits', path, message } }];
  });
}

function refuseAboveLimit(merged: Resources, asked: ResourceList, key: string): Refusal {
  const origin = quantityOf(asked, key) === null ? 'configured' : 'asked';
  const request = quote(merged.requests[key] ?? '');
  const limit = quote(merged.limits[key] ?? '');
  return {
    code: 'resources_exceed_limits',
    path: formatPath(['Resources', 'Requests', key]),
    message: `The ${origin} request of ${request} ${key} is above its limit of ${limit}; ask for less.`,
  };
}
