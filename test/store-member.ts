/**
 * A program for tests: one store member in a process of its own, told what to do over the channel to its parent.
 * Started by `StoreProcess` with the options of the member as JSON in its first argument.
 */
import process from 'node:process';
import { type Check, type Member, type MemberOptions, openMember, StoreError } from '@slimfaas/slimdata';

/** What the member is opened with; the rest the program adds. */
export type StoreMemberOptions = Omit<MemberOptions, 'logger' | 'onFatal'>;

/** A register is two fields that are always written together; seeing them differ is an error. */
export type StoreCall =
  /** A linearizable read. */
  | { readonly call: 'read'; readonly key: string }
  /** Writes `value` (null = deletes) if the register's version is `ifVersion` (0 = it does not exist; null = always). */
  | {
      readonly call: 'write';
      readonly key: string;
      readonly value: string | null;
      readonly ifVersion: number | null;
    }
  | { readonly call: 'leadership' };

export type StoreAnswer =
  | { readonly value: string | null; readonly version: number }
  | { readonly applied: boolean; readonly index: number }
  | { readonly role: string; readonly term: number; readonly leader: string | null }
  /** Code of a StoreError, or another error's message. */
  | { readonly error: string };

export interface StoreRequest {
  readonly id: number;
  readonly deadlineMs: number;
  readonly call: StoreCall;
}

export interface StoreResponse {
  readonly id: number;
  readonly answer: StoreAnswer;
}

const hashset = 'registers';
const twinOf = (key: string): string => `${key}'`;

async function read(member: Member, key: string, deadlineMs: number): Promise<StoreAnswer> {
  await member.readBarrier({ deadlineMs });
  const record = member.view.get(hashset, key);
  const twin = member.view.get(hashset, twinOf(key));
  const [value, twinValue] = [record, twin].map((one) =>
    one === undefined ? null : Buffer.from(one.value).toString(),
  );
  if (value !== twinValue || record?.version !== twin?.version) {
    return { error: `torn: ${value} (${record?.version}) and ${twinValue} (${twin?.version})` };
  }
  return { value: value ?? null, version: record?.version ?? 0 };
}

async function write(
  member: Member,
  { key, value, ifVersion }: Extract<StoreCall, { readonly call: 'write' }>,
  deadlineMs: number,
): Promise<StoreAnswer> {
  const checks: Check[] = [];
  if (ifVersion !== null) {
    const field = { hashset, field: key };
    checks.push(
      ifVersion === 0 ? { check: 'absent', ...field } : { check: 'version', ...field, version: ifVersion },
    );
  }
  const writes = [key, twinOf(key)].map((field) =>
    value === null
      ? ({ write: 'delete', hashset, field } as const)
      : ({ write: 'set', hashset, field, value: Buffer.from(value) } as const),
  );
  const { applied, index } = await member.transact({ checks, writes }, { deadlineMs });
  return { applied, index };
}

async function answer(member: Member, { call, deadlineMs }: StoreRequest): Promise<StoreAnswer> {
  switch (call.call) {
    case 'read':
      return read(member, call.key, deadlineMs);
    case 'write':
      return write(member, call, deadlineMs);
    case 'leadership':
      return member.leadership;
  }
}

function log(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`);
}

const logLine = (facts: object, event: string): void => log(`${event} ${JSON.stringify(facts)}`);

function fail(error: unknown): never {
  log(`fatal ${error instanceof Error ? error.stack : String(error)}`);
  process.exit(1);
}

process.once('uncaughtException', fail).once('unhandledRejection', fail);
const opened = openMember({
  ...(JSON.parse(process.argv[2] ?? '') as StoreMemberOptions),
  logger: { info: logLine, warn: logLine, error: logLine },
  onFatal: fail,
});
process.on('message', (request: StoreRequest) => {
  opened
    .then((member) => answer(member, request))
    .catch((error: unknown): StoreAnswer => {
      if (error instanceof StoreError) return { error: error.code };
      throw error;
    })
    .then((given) => process.send?.({ id: request.id, answer: given } satisfies StoreResponse))
    .catch(fail);
});
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => {
  opened.then((member) => member.close()).then(() => process.exit(0), fail);
});
await opened;
