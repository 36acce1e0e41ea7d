import type { z } from 'zod';
import { quote } from './fault.ts';
import type { EnvironmentReference, EnvironmentVariable } from './job.ts';
import { jsonArray, jsonObject, jsonPattern, jsonText } from './json-object.ts';
import { matchesWildcard } from './wildcard.ts';

/** Linux takes at most 128 KiB for `name=value`. */
const valueLengthMax = 128 * 1024 - 512;
const variablesMax = 1000;

const objectKey = 'letters, digits, "-", "_" and "."';
const objectName = 'the name of a Kubernetes object: a-z, 0-9, "-" and "."';
const fieldPath = "a field like metadata.name or metadata.labels['app']";

/** `wild`: names and keys may hold `*`, for lists of what is allowed. */
function referenceShape(wild: boolean) {
  const keyRef = jsonObject({
    Name: jsonPattern(wild ? /^[-a-z0-9.*]+$/ : /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 253, objectName),
    Key: jsonPattern(wild ? /^[-\w.*]+$/ : /^[-\w.]+$/, 253, objectKey),
  });
  return {
    SecretRef: keyRef.optional(),
    ConfigMapRef: keyRef.optional(),
    FieldRef: jsonObject({
      FieldPath: jsonPattern(wild ? /^[-\w.*/'[\]]+$/ : /^[-\w./'[\]]+$/, 512, fieldPath),
    }).optional(),
    ResourceFieldRef: jsonObject({
      Resource: jsonPattern(wild ? /^[-\w.*/]+$/ : /^[-\w./]+$/, 253, 'a resource like limits.cpu'),
    }).optional(),
  };
}

const referenceKeys = ['SecretRef', 'ConfigMapRef', 'FieldRef', 'ResourceFieldRef'] as const;

const allowedReferenceSchema = jsonObject(referenceShape(true)).refine((item) => referencesIn(item) === 1, {
  error: `give one of ${referenceKeys.join(', ')}`,
});

const variableSchema = jsonObject(
  {
    Name: jsonPattern(/^[-._a-zA-Z][-._a-zA-Z0-9]*$/, 256, `a variable name of ${objectKey}`),
    Value: jsonText(valueLengthMax).optional(),
    ...referenceShape(false),
  },
  { ValueFrom: `is Kubernetes' way; write ${referenceKeys.join(', ')} beside Name` },
).refine((item) => referencesIn(item) + (item.Value ? 1 : 0) <= 1, {
  error: `give either Value or one of ${referenceKeys.join(', ')}`,
});

function referencesIn(item: Readonly<Record<string, unknown>>): number {
  return referenceKeys.filter((key) => item[key] !== undefined).length;
}

/** `Environments` as JSON has it. Each name once. */
export const environmentsSchema = jsonArray(variableSchema, variablesMax).superRefine(
  (variables, { addIssue }) => {
    const first = new Map<unknown, number>();
    for (const [index, variable] of variables.entries()) {
      const name = variable?.Name;
      const earlier = first.get(name);
      if (earlier === undefined) first.set(name, index);
      else if (typeof name === 'string') {
        const message = `${quote(name)} is already given by item ${earlier}; keep one`;
        addIssue({ code: 'custom', message, path: [index, 'Name'] });
      }
    }
  },
  { when: ({ value }) => Array.isArray(value) },
);

/** `AllowedReferences` as JSON has it. */
export const allowedReferencesSchema = jsonArray(allowedReferenceSchema, variablesMax);

/** Renames what the schema has checked; neither value nor reference means an empty value, as in Kubernetes. */
export function toEnvironmentVariable(item: z.output<typeof variableSchema>): EnvironmentVariable {
  const reference = toReference(item);
  return reference === null ? { name: item.Name, value: item.Value ?? '' } : { name: item.Name, reference };
}

/** The references of a checked list. */
export function toReferences(
  items: z.output<typeof allowedReferencesSchema>,
): readonly EnvironmentReference[] {
  return items.map(toReference).filter((reference) => reference !== null);
}

function toReference(item: z.output<typeof allowedReferenceSchema>): EnvironmentReference | null {
  const { SecretRef, ConfigMapRef, FieldRef, ResourceFieldRef } = item;
  if (SecretRef !== undefined) return { kind: 'SecretRef', name: SecretRef.Name, key: SecretRef.Key };
  if (ConfigMapRef !== undefined)
    return { kind: 'ConfigMapRef', name: ConfigMapRef.Name, key: ConfigMapRef.Key };
  if (FieldRef !== undefined) return { kind: 'FieldRef', fieldPath: FieldRef.FieldPath };
  return ResourceFieldRef === undefined
    ? null
    : { kind: 'ResourceFieldRef', resource: ResourceFieldRef.Resource };
}

/** The configured variables with the asked ones merged in by name: a name that exists keeps its place. */
export function mergeEnvironments(
  configured: readonly EnvironmentVariable[],
  asked: readonly EnvironmentVariable[],
): readonly EnvironmentVariable[] {
  const merged = new Map(configured.map((variable) => [variable.name, variable]));
  for (const variable of asked) merged.set(variable.name, variable);
  return [...merged.values()];
}

/** Whether a reference is the allowed one, or matches its `*`. */
export function matchesReference(allowed: EnvironmentReference, asked: EnvironmentReference): boolean {
  switch (allowed.kind) {
    case 'SecretRef':
    case 'ConfigMapRef':
      return (
        asked.kind === allowed.kind &&
        matchesWildcard(allowed.name, asked.name) &&
        matchesWildcard(allowed.key, asked.key)
      );
    case 'FieldRef':
      return asked.kind === 'FieldRef' && matchesWildcard(allowed.fieldPath, asked.fieldPath);
    case 'ResourceFieldRef':
      return asked.kind === 'ResourceFieldRef' && matchesWildcard(allowed.resource, asked.resource);
  }
}

/** A reference for a message: what it points at, never a value. */
export function formatReference(reference: EnvironmentReference): string {
  switch (reference.kind) {
    case 'SecretRef':
    case 'ConfigMapRef':
      return `${reference.kind} ${quote(reference.key)} of ${quote(reference.name)}`;
    case 'FieldRef':
      return `FieldRef ${quote(reference.fieldPath)}`;
    case 'ResourceFieldRef':
      return `ResourceFieldRef ${quote(reference.resource)}`;
  }
}
