import { z } from 'zod';
import { allowedReferencesSchema, toReferences } from './environment.ts';
import { type Parsed, quote } from './fault.ts';
import type { JobDefinition } from './job.ts';
import { argumentsSchema, overrideShape, secondsMax, toJobRequest } from './job-request.ts';
import { isObject, jsonArray, jsonObject, jsonPattern, parseValue } from './json-object.ts';
import { platformShape, toPlatform } from './platform-keys.ts';
import { completeResources, requestsAboveLimits, resourcesSchema, toResourcesAsked } from './resources.ts';

const imagePattern = jsonPattern(
  /^[-\w.:/@+[\]*]+$/,
  512,
  'an image reference, in which "*" matches anything',
);
const dependencyPattern = jsonPattern(
  /^[-\w.*]+$/,
  253,
  'the name of a workload, in which "*" matches anything',
);

/** A definition's resources: after the defaults are filled in, no request may be above its limit. */
const definitionResourcesSchema = resourcesSchema.superRefine(
  (asked, { addIssue }) => {
    const resources = completeResources(toResourcesAsked(asked));
    for (const key of requestsAboveLimits(resources)) {
      const message = `the request ${quote(resources.requests[key] ?? '')} is above the limit ${quote(resources.limits[key] ?? '')}`;
      addIssue({ code: 'custom', message, path: ['Requests', key] });
    }
  },
  { when: ({ value }) => isObject(value) },
);

/** One entry of `Configurations`. */
export const jobDefinitionSchema = jsonObject({
  ...overrideShape,
  ...platformShape,
  Resources: definitionResourcesSchema.optional(),
  ImagesWhitelist: jsonArray(imagePattern, 1000).optional(),
  Visibility: z.enum(['Public', 'Private']).optional(),
  NumberParallelJob: z.int().min(1).max(10_000).optional(),
  Command: argumentsSchema
    .refine(([program]) => program !== '', { error: 'its first item, the program, is empty' })
    .optional(),
  ActiveDeadlineSeconds: z.int().min(1).max(secondsMax).optional(),
  QueueLimit: z.int().min(1).max(1_000_000).optional(),
  HistoryLimit: z.int().min(0).max(10_000).optional(),
  AllowedReferences: allowedReferencesSchema.optional(),
  AllowedDependsOn: jsonArray(dependencyPattern, 1000).optional(),
});

/** Lower-cased name of the entry that stands in for names that are not configured. */
export const defaultName = 'default';

const defaultQueueLimit = 10_000;
const defaultHistoryLimit = 100;

/** Defaults of the keys that requests can override. */
const requestDefaults = {
  image: '',
  args: [],
  environments: [],
  dependsOn: [],
  backoffLimit: 1,
  ttlSecondsAfterFinished: 60,
  restartPolicy: 'Never',
} as const;

/**
 * Reads one definition. `name` is lower-cased already; absent keys get the documented defaults, whatever the entry
 * `Default` says. `path` goes in front of the paths of faults.
 */
export function parseJobDefinition(
  name: string,
  value: unknown,
  options: { readonly source: JobDefinition['source']; readonly path: readonly PropertyKey[] },
): Parsed<JobDefinition> {
  const parsed = parseValue(jobDefinitionSchema, value, options.path);
  return parsed.ok ? { ok: true, value: toJobDefinition(name, options.source, parsed.value) } : parsed;
}

/** The built-in `Default`: no image, 100m of cpu, 100Mi of memory, Private, one at a time, one retry. */
export function createDefaultDefinition(): JobDefinition {
  return toJobDefinition(defaultName, 'Default', {});
}

function toJobDefinition(
  name: string,
  source: JobDefinition['source'],
  keys: Partial<z.output<typeof jobDefinitionSchema>>,
): JobDefinition {
  return {
    ...requestDefaults,
    ...toJobRequest(keys),
    name,
    source,
    imagesWhitelist: keys.ImagesWhitelist ?? [],
    command: keys.Command?.length ? keys.Command : null,
    resources: completeResources(keys.Resources === undefined ? {} : toResourcesAsked(keys.Resources)),
    activeDeadlineSeconds: keys.ActiveDeadlineSeconds ?? null,
    platform: toPlatform(keys),
    visibility: keys.Visibility ?? 'Private',
    numberParallelJob: keys.NumberParallelJob ?? 1,
    queueLimit: keys.QueueLimit ?? defaultQueueLimit,
    historyLimit: keys.HistoryLimit ?? defaultHistoryLimit,
    allowedReferences: keys.AllowedReferences ? toReferences(keys.AllowedReferences) : null,
    allowedDependsOn: keys.AllowedDependsOn ?? null,
  };
}
