import type { MemberName } from '@slimfaas/slimdata';
import { Packr } from 'msgpackr';
import { z } from 'zod';
import type { Job, JobStatus } from '../model/job.ts';

/** A job that waits in `Queue:<name>`. */
export interface QueuedRecord {
  readonly job: Job;
}

/** A job that was claimed, in `Run:<name>`. It holds one of the name's `NumberParallelJob` slots. */
export interface RunRecord {
  readonly job: Job;
  /** `createdIndex` the job had in its queue: orders all jobs of a name by acceptance. */
  readonly order: number;
  /** Who claimed it last. A new term makes it the new leader's, without time-outs. */
  readonly owner: { readonly member: MemberName; readonly term: number };
  readonly status: Exclude<JobStatus, 'Queued'>;
  /** Unix milliseconds; -1 = the platform has not started it yet. */
  readonly startTimestamp: number;
  readonly attempts: number;
  /** Why it is in this state, for the user. */
  readonly reason: string | null;
  /** A caller asked for its end: the leader cancels the run, then removes the record. */
  readonly deleting: boolean;
}

/** A job with an outcome, in `History:<name>` until its TTL has passed. */
export interface FinishedRecord {
  readonly job: Job;
  readonly order: number;
  readonly status: Exclude<JobStatus, 'Queued'>;
  /** Unix milliseconds; -1 = it never started. */
  readonly startTimestamp: number;
  readonly finishTimestamp: number;
  /** When the outcome was recorded: the TTL counts from here, so that it can be read for all of it. */
  readonly recordedTimestamp: number;
  readonly exitCode: number | null;
  readonly attempts: number;
  readonly reason: string | null;
  readonly deleting: boolean;
}

/**
 * Layout of a value: a msgpack array of the version and the record's keys in the order below, the job and its spec
 * being arrays in the same way. A change of any list is a new version; members read every version they know.
 */
const recordVersion = 1;
const specKeys = [
  'image',
  'command',
  'args',
  'environments',
  'resources',
  'dependsOn',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'restartPolicy',
  'activeDeadlineSeconds',
  'platform',
] as const;
const jobKeys = ['id', 'name', 'runName', 'spec', 'inQueueTimestamp', 'scheduleId'] as const;
const queuedKeys = ['job'] as const;
const runKeys = [
  'job',
  'order',
  'owner',
  'status',
  'startTimestamp',
  'attempts',
  'reason',
  'deleting',
] as const;
const finishedKeys = [
  'job',
  'order',
  'status',
  'startTimestamp',
  'finishTimestamp',
  'recordedTimestamp',
  'exitCode',
  'attempts',
  'reason',
  'deleting',
] as const;

const text = z.string();
const count = z.int().min(0);
const timestamp = z.number().min(-1);
const quantities = z.record(text, text);
const keyReference = { name: text, key: text };
const reference = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('SecretRef'), ...keyReference }),
  z.strictObject({ kind: z.literal('ConfigMapRef'), ...keyReference }),
  z.strictObject({ kind: z.literal('FieldRef'), fieldPath: text }),
  z.strictObject({ kind: z.literal('ResourceFieldRef'), resource: text }),
]);
const specSchema = z.strictObject({
  image: text,
  command: z.array(text).nullable(),
  args: z.array(text),
  environments: z.array(
    z.strictObject({ name: text, value: text.exactOptional(), reference: reference.exactOptional() }),
  ),
  resources: z.strictObject({ requests: quantities, limits: quantities }),
  dependsOn: z.array(text),
  backoffLimit: count,
  ttlSecondsAfterFinished: z.number().min(0),
  restartPolicy: z.enum(['Never', 'OnFailure']),
  activeDeadlineSeconds: z.number().min(0).nullable(),
  platform: z.record(text, z.unknown()),
});
const jobSchema = z.strictObject({
  id: text.min(1),
  name: text.min(1),
  runName: text.min(1),
  spec: specSchema,
  inQueueTimestamp: timestamp,
  scheduleId: text.nullable(),
});
const statusSchema = z.enum(['Pending', 'Running', 'Succeeded', 'Failed', 'ImagePullBackOff']);
const queuedSchema = z.strictObject({ job: jobSchema });
const runSchema = z.strictObject({
  job: jobSchema,
  order: count,
  owner: z.strictObject({ member: text, term: count }),
  status: statusSchema,
  startTimestamp: timestamp,
  attempts: count,
  reason: text.nullable(),
  deleting: z.boolean(),
});
const finishedSchema = z.strictObject({
  job: jobSchema,
  order: count,
  status: statusSchema,
  startTimestamp: timestamp,
  finishTimestamp: timestamp,
  recordedTimestamp: timestamp,
  exitCode: z.int().nullable(),
  attempts: count,
  reason: text.nullable(),
  deleting: z.boolean(),
});

const packr = new Packr({ useRecords: false, mapsAsObjects: true });

function values<K extends string>(keys: readonly K[], object: Readonly<Record<K, unknown>>): unknown[] {
  return keys.map((key) => object[key]);
}

function named(keys: readonly string[], list: unknown, what: string): Record<string, unknown> {
  if (!Array.isArray(list) || list.length !== keys.length)
    throw new Error(`${what} has not ${keys.length} parts`);
  return Object.fromEntries(keys.map((key, position) => [key, list[position]]));
}

function encode<K extends string>(
  keys: readonly K[],
  record: Readonly<Record<K, unknown>> & { readonly job: Job },
): Uint8Array {
  const job = values(jobKeys, { ...record.job, spec: values(specKeys, record.job.spec) });
  return packr.pack([recordVersion, ...values(keys, { ...record, job })]);
}

function decode<T>(keys: readonly string[], schema: z.ZodType<T>, value: Uint8Array): T {
  const parts: unknown = packr.unpack(value);
  if (!Array.isArray(parts) || parts[0] !== recordVersion) {
    throw new Error(`record version ${JSON.stringify(Array.isArray(parts) ? parts[0] : null)} is not known`);
  }
  const record = named(keys, parts.slice(1), 'record');
  const job = named(jobKeys, record['job'], 'job');
  return schema.parse({ ...record, job: { ...job, spec: named(specKeys, job['spec'], 'spec') } });
}

export function encodeQueued(record: QueuedRecord): Uint8Array {
  return encode(queuedKeys, record);
}

export function encodeRun(record: RunRecord): Uint8Array {
  return encode(runKeys, record);
}

export function encodeFinished(record: FinishedRecord): Uint8Array {
  return encode(finishedKeys, record);
}

/** @throws Error when `value` is not exactly such a record of a known version. */
export function decodeQueued(value: Uint8Array): QueuedRecord {
  return decode<QueuedRecord>(queuedKeys, queuedSchema, value);
}

/** @throws Error as `decodeQueued`. */
export function decodeRun(value: Uint8Array): RunRecord {
  return decode<RunRecord>(runKeys, runSchema, value);
}

/** @throws Error as `decodeQueued`. */
export function decodeFinished(value: Uint8Array): FinishedRecord {
  return decode<FinishedRecord>(finishedKeys, finishedSchema, value);
}
