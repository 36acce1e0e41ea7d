import { z } from 'zod';
import { type Fault, failed, formatPath, type Parsed, quote } from './fault.ts';
import type { JobDefinition } from './job.ts';
import { createDefaultDefinition, defaultName, parseJobDefinition } from './job-definition.ts';
import { parseJobName } from './job-name.ts';
import { jsonObject, parseValue } from './json-object.ts';
import { mergeRequest } from './merge-request.ts';
import { configurationLimits, parseRelaxedJson } from './relaxed-json.ts';
import { readScheduleEntry, type ScheduleEntry } from './schedule-entry.ts';

/** Everything that is declared about jobs. Keys are lower-cased job names. */
export interface JobsConfiguration {
  /** In the order of the text; always holds `default`. */
  readonly definitions: ReadonlyMap<string, JobDefinition>;
  /** Schedules of each name that has any, in the order of the text; a name need not be configured. */
  readonly schedules: ReadonlyMap<string, readonly ScheduleEntry[]>;
}

const rootSchema = jsonObject({
  Configurations: z.record(z.string(), z.unknown()).optional(),
  Schedules: z.record(z.string(), z.unknown()).optional(),
});

/**
 * Reads a whole configuration, `{ "Configurations": {...}, "Schedules": {...} }`, as relaxed JSON. All faults of all
 * definitions and schedules are given together, also schedules that ask for what their definition does not allow.
 */
export function parseJobsConfiguration(text: string): Parsed<JobsConfiguration> {
  const json = parseRelaxedJson(text, configurationLimits);
  if (!json.ok) return json;
  const root = parseValue(rootSchema, json.value);
  if (!root.ok) return root;

  const faults: Fault[] = [];
  const broken = new Set<string>();
  const definitions = readDefinitions(root.value.Configurations ?? {}, faults, broken);
  const schedules = readSchedules(root.value.Schedules ?? {}, faults);
  const configuration = { definitions, schedules: new Map<string, ScheduleEntry[]>() };
  for (const { name, entry, path } of schedules) {
    if (!broken.has(name)) faults.push(...refuseSchedule(definitionOf(configuration, name), entry, path));
    const entries = configuration.schedules.get(name) ?? [];
    entries.push(entry);
    configuration.schedules.set(name, entries);
  }
  return faults.length === 0 ? { ok: true, value: configuration } : failed(faults);
}

/** A configuration that declares nothing: `Default` alone. */
export function createJobsConfiguration(): JobsConfiguration {
  return { definitions: new Map([[defaultName, createDefaultDefinition()]]), schedules: new Map() };
}

/**
 * The definition that a lower-cased job name runs under. A name that is not configured gets a copy of `Default` under
 * its own name, with `source` `Default`; so it has its own queue, parallelism and history.
 */
export function definitionOf({ definitions }: JobsConfiguration, name: string): JobDefinition {
  const standIn = definitions.get(defaultName) ?? createDefaultDefinition();
  return definitions.get(name) ?? { ...standIn, name, source: 'Default' };
}

function readDefinitions(
  entries: Readonly<Record<string, unknown>>,
  faults: Fault[],
  broken: Set<string>,
): Map<string, JobDefinition> {
  const definitions = new Map<string, JobDefinition>();
  for (const { key, name, path } of readNames('Configurations', entries, faults)) {
    const parsed = parseJobDefinition(name, entries[key], { source: 'Configuration', path });
    if (parsed.ok) definitions.set(name, parsed.value);
    else {
      faults.push(...parsed.faults);
      broken.add(name);
    }
  }
  if (!definitions.has(defaultName)) definitions.set(defaultName, createDefaultDefinition());
  return definitions;
}

interface NamedEntry {
  readonly key: string;
  readonly name: string;
  readonly path: readonly PropertyKey[];
}

/** Lower-cases the names; those that are none, or that differ in case alone from an earlier one, are faults. */
function readNames(
  part: 'Configurations' | 'Schedules',
  entries: Readonly<Record<string, unknown>>,
  faults: Fault[],
): readonly NamedEntry[] {
  const earlier = new Map<string, string>();
  return Object.keys(entries).flatMap((key) => {
    const path = [part, key];
    const name = parseJobName(key);
    if (!name.ok) {
      faults.push(...name.faults.map((fault) => ({ ...fault, path: formatPath(path) })));
      return [];
    }
    const first = earlier.get(name.value);
    if (first !== undefined) {
      const message = `${quote(key)} is the job ${quote(first)} again: case does not count; keep one.`;
      faults.push({ code: 'duplicate_key', path: formatPath(path), message });
      return [];
    }
    earlier.set(name.value, key);
    return [{ key, name: name.value, path }];
  });
}

interface NamedSchedule {
  readonly name: string;
  readonly entry: ScheduleEntry;
  readonly path: readonly PropertyKey[];
}

function readSchedules(
  entries: Readonly<Record<string, unknown>>,
  faults: Fault[],
): readonly NamedSchedule[] {
  const schedules: NamedSchedule[] = [];
  for (const { key, name, path } of readNames('Schedules', entries, faults)) {
    const list = parseValue(z.array(z.unknown()), entries[key] ?? [], path);
    if (!list.ok) faults.push(...list.faults);
    for (const [index, value] of (list.ok ? list.value : []).entries()) {
      const entryPath = [...path, index];
      const entry = readScheduleEntry(value, entryPath);
      if (entry.ok) schedules.push({ name, entry: entry.value, path: entryPath });
      else faults.push(...entry.faults);
    }
  }
  return schedules;
}

/** A schedule that could never make a job is a fault of the configuration, not a surprise at midnight. */
function refuseSchedule(
  definition: JobDefinition,
  { request }: ScheduleEntry,
  path: readonly PropertyKey[],
): readonly Fault[] {
  const merged = mergeRequest(definition, request, { caller: 'declared' });
  if (merged.ok) return [];
  return merged.faults.map((refusal) => {
    const separator = refusal.path === '' || refusal.path.startsWith('[') ? '' : '.';
    const where = `${formatPath(path)}${separator}${refusal.path}`;
    return { code: 'invalid_value', path: where, message: refusal.message };
  });
}
