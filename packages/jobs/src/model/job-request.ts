import { z } from 'zod';
import { environmentsSchema, toEnvironmentVariable } from './environment.ts';
import type { Parsed } from './fault.ts';
import type { EnvironmentVariable, RestartPolicy } from './job.ts';
import { jsonArray, jsonObject, jsonPattern, jsonText, parseValue } from './json-object.ts';
import { parseRelaxedJson } from './relaxed-json.ts';
import { type ResourcesAsked, resourcesSchema, toResourcesAsked } from './resources.ts';

/** What a caller asks to differ from the definition; an absent key leaves the definition's. */
export interface JobRequest {
  readonly image?: string;
  readonly args?: readonly string[];
  readonly dependsOn?: readonly string[];
  readonly resources?: ResourcesAsked;
  readonly environments?: readonly EnvironmentVariable[];
  readonly backoffLimit?: number;
  readonly ttlSecondsAfterFinished?: number;
  readonly restartPolicy?: RestartPolicy;
}

export const secondsMax = 10 * 366 * 24 * 3600;
const argsMax = 4096;
const dependenciesMax = 64;

/** An argument: Linux takes at most 128 KiB for one. */
const argumentSchema = jsonText(128 * 1024 - 1);
export const argumentsSchema = jsonArray(argumentSchema, argsMax);

/** An image reference; empty = the configured one. */
const imageSchema = jsonPattern(/^(?:[[A-Za-z0-9][-\w.:/@+[\]]*)?$/, 512, 'an image reference');

const dependenciesSchema = jsonArray(
  jsonPattern(/^[A-Za-z0-9](?:[-\w.]*[A-Za-z0-9])?$/, 253, 'the name of a workload'),
  dependenciesMax,
);

/** The keys that definitions, requests and schedules share. */
export const overrideShape = {
  Image: imageSchema.optional(),
  Args: argumentsSchema.optional(),
  DependsOn: dependenciesSchema.optional(),
  Resources: resourcesSchema.optional(),
  Environments: environmentsSchema.optional(),
  BackoffLimit: z.int().min(0).max(10_000).optional(),
  TtlSecondsAfterFinished: z.int().min(0).max(secondsMax).optional(),
  RestartPolicy: z.enum(['Never', 'OnFailure']).optional(),
};

const notHere = "belongs to the job's definition; a request cannot set it";

/** Known keys that only a definition may hold, and what to say of them. */
export const definitionOnlyKeys: Readonly<Record<string, string>> = Object.fromEntries(
  [
    'ImagesWhitelist',
    'Visibility',
    'NumberParallelJob',
    'Command',
    'ActiveDeadlineSeconds',
    'QueueLimit',
    'HistoryLimit',
    'AllowedReferences',
    'AllowedDependsOn',
    'ServiceAccountName',
    'Volumes',
    'VolumeMounts',
    'NodeSelector',
    'Tolerations',
    'Labels',
    'Annotations',
    'ImagePullSecrets',
    'SecurityContext',
  ].map((key) => [key, notHere]),
);

/** Body of `POST /job/<name>`. */
export const jobRequestSchema = jsonObject(overrideShape, definitionOnlyKeys);

/** Reads the body of `POST /job/<name>`: relaxed JSON; an empty one is `{}`. Never throws. */
export function parseJobRequest(body: string | Uint8Array): Parsed<JobRequest> {
  const json = parseBody(body);
  if (!json.ok) return json;
  const parsed = parseValue(jobRequestSchema, json.value);
  return parsed.ok ? { ok: true, value: toJobRequest(parsed.value) } : parsed;
}

/** Reads a request body as relaxed JSON; an empty one, or one of white space alone, is `{}`. */
export function parseBody(body: string | Uint8Array): Parsed<unknown> {
  const isEmpty = typeof body === 'string' ? body.trim() === '' : body.every((byte) => byte <= 0x20);
  return isEmpty ? { ok: true, value: {} } : parseRelaxedJson(body);
}

/** Renames what the schema has checked. */
export function toJobRequest(keys: Partial<z.output<typeof jobRequestSchema>>): JobRequest {
  return definedOnly({
    image: keys.Image,
    args: keys.Args,
    dependsOn: keys.DependsOn && [...new Set(keys.DependsOn)],
    resources: keys.Resources && toResourcesAsked(keys.Resources),
    environments: keys.Environments?.map(toEnvironmentVariable),
    backoffLimit: keys.BackoffLimit,
    ttlSecondsAfterFinished: keys.TtlSecondsAfterFinished,
    restartPolicy: keys.RestartPolicy,
  });
}

type DefinedOnly<Keys> = { readonly [Key in keyof Keys]?: Exclude<Keys[Key], undefined> };

function definedOnly<Keys extends object>(keys: Keys): DefinedOnly<Keys> {
  return Object.fromEntries(
    Object.entries(keys).filter(([, value]) => value !== undefined),
  ) as DefinedOnly<Keys>;
}
