import { z } from 'zod';
import { type FaultCode, type Parsed, quote } from './fault.ts';
import {
  definitionOnlyKeys,
  type JobRequest,
  overrideShape,
  parseBody,
  secondsMax,
  toJobRequest,
} from './job-request.ts';
import { jsonObject, jsonText, parseValue } from './json-object.ts';

/** A cron expression and what its jobs ask to differ from the definition. */
export interface ScheduleEntry {
  /** As written: five fields, or a macro. */
  readonly schedule: string;
  /** IANA name. */
  readonly timeZone: string;
  readonly concurrencyPolicy: 'Allow' | 'Forbid' | 'Replace';
  /** Seconds after its time at which a tick is given up; null = never. */
  readonly startingDeadlineSeconds: number | null;
  /** Which of the ticks that were missed are made up for. */
  readonly catchUp: 'Latest' | 'None' | 'All';
  /** Most missed ticks that `All` makes up for. */
  readonly catchUpLimit: number;
  readonly suspend: boolean;
  /** The user's name for it; null = none. */
  readonly name: string | null;
  readonly request: JobRequest;
}

const macros = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];
const defaultCatchUpLimit = 100;

const cronSchema = z
  .string()
  .max(256)
  .superRefine((text, { addIssue }) => {
    const message = cronFormSentence(text);
    const params = { code: 'invalid_cron' satisfies FaultCode };
    if (message !== null) addIssue({ code: 'custom', message, params });
  });

/** What is wrong with the form of a cron expression, or null. */
function cronFormSentence(text: string): string | null {
  const fields = text.trim().split(/\s+/);
  if (fields.length === 5) return null;
  if (fields.length === 1 && macros.includes(fields[0]?.toLowerCase() ?? '')) return null;
  if (text.trim().startsWith('@')) return `${quote(text)} is not a macro; they are ${macros.join(', ')}`;
  const count = text.trim() === '' ? 0 : fields.length;
  return `schedule ${quote(text)} has ${count} fields, not 5: minute, hour, day of month, month, day of week`;
}

const timeZoneSchema = z
  .string()
  .max(64)
  .refine(isTimeZone, {
    error: ({ input }) => `${quote(String(input))} is not an IANA time zone like "Europe/Paris"`,
  });

function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== '';
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** One entry of `Schedules`, and the body of `POST /job-schedules/<name>`. */
export const scheduleEntrySchema = jsonObject(
  {
    Schedule: cronSchema,
    ...overrideShape,
    TimeZone: timeZoneSchema.optional(),
    ConcurrencyPolicy: z.enum(['Allow', 'Forbid', 'Replace']).optional(),
    StartingDeadlineSeconds: z.int().min(0).max(secondsMax).optional(),
    CatchUp: z.enum(['Latest', 'None', 'All']).optional(),
    CatchUpLimit: z.int().min(1).max(1000).optional(),
    Suspend: z.boolean().optional(),
    Name: jsonText(253).optional(),
  },
  definitionOnlyKeys,
);

/** Reads the body of `POST /job-schedules/<name>`. Whether the expression is ever due is not looked at here. */
export function parseScheduleEntry(body: string | Uint8Array): Parsed<ScheduleEntry> {
  const json = parseBody(body);
  return json.ok ? readScheduleEntry(json.value) : json;
}

/** Reads a schedule from JSON that was parsed before; `path` goes in front of the paths of faults. */
export function readScheduleEntry(value: unknown, path: readonly PropertyKey[] = []): Parsed<ScheduleEntry> {
  const parsed = parseValue(scheduleEntrySchema, value, path);
  if (!parsed.ok) return parsed;
  const keys = parsed.value;
  return {
    ok: true,
    value: {
      schedule: keys.Schedule,
      timeZone: keys.TimeZone ?? 'UTC',
      concurrencyPolicy: keys.ConcurrencyPolicy ?? 'Allow',
      startingDeadlineSeconds: keys.StartingDeadlineSeconds ?? null,
      catchUp: keys.CatchUp ?? 'Latest',
      catchUpLimit: keys.CatchUpLimit ?? defaultCatchUpLimit,
      suspend: keys.Suspend ?? false,
      name: keys.Name ?? null,
      request: toJobRequest(keys),
    },
  };
}
