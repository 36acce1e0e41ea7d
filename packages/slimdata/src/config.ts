import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { MemberAddress } from './member.ts';

/** One thing that is wrong with the configuration: the variable, and what to do about it. */
export interface ConfigFault {
  readonly path: string;
  readonly message: string;
}

/** What the `SlimData__*` variables say about one member. Frozen. */
export interface SlimDataConfig {
  readonly name: string;
  readonly members: readonly MemberAddress[];
  readonly directory: string;
  /** No directory was configured: worth a warning, because the default may not outlive the container. */
  readonly directoryIsDefault: boolean;
  readonly host: string;
  readonly port: number;
  readonly clusterSecret: string | null;
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
}

export type SlimDataConfigResult =
  | { readonly config: SlimDataConfig }
  | { readonly faults: readonly ConfigFault[] };

/** What the configuration needs of the system besides variables. */
export interface ConfigSystem {
  /** This member's name when `HOSTNAME` is not set. */
  hostname(): string;
  /** @throws when the file cannot be read. */
  readFile(path: string): string;
}

const realSystem: ConfigSystem = { hostname, readFile: (path) => readFileSync(path, 'utf8') };

/** Reads every variable of this package, and collects all faults rather than the first one. */
export function parseSlimDataConfig(
  environment: Readonly<Record<string, string | undefined>>,
  system: ConfigSystem = realSystem,
): SlimDataConfigResult {
  const reader = new VariableReader(environment);
  const name = reader.text('HOSTNAME') ?? system.hostname();
  const directory = reader.text('SlimData__Directory');
  const port = reader.integer('SlimData__Port', 3262, 1, 65_535);
  const members = readMembers(reader, name, port);
  const clusterSecret = readSecret(reader, system);
  const config: SlimDataConfig = {
    name,
    members,
    directory: directory ?? './data',
    directoryIsDefault: directory === null,
    host: reader.text('SlimData__Host') ?? defaultHost(members),
    port,
    clusterSecret,
    ...readTimers(reader),
  };
  checkAuthentication(reader, config);
  return reader.faults.length > 0 ? { faults: reader.faults } : { config: Object.freeze(config) };
}

const memberName = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/;

/** `name=url,name=url`, or this member alone. */
function readMembers(reader: VariableReader, name: string, port: number): readonly MemberAddress[] {
  const path = 'SlimData__Members';
  if (!memberName.test(name)) {
    reader.fault('HOSTNAME', `"${name}" cannot name a member: use letters, digits, ".", "_" and "-".`);
  }
  const text = reader.text(path);
  if (text === null) return Object.freeze([{ name, url: `http://127.0.0.1:${port}` }]);
  const members = text.split(',').flatMap((item) => readMember(reader, path, item.trim()));
  for (const key of ['name', 'url'] as const) {
    const values = members.map((member) => member[key]);
    const repeated = values.find((value, position) => values.indexOf(value) !== position);
    if (repeated !== undefined) reader.fault(path, `The ${key} "${repeated}" stands there twice.`);
  }
  if (members.length > 0 && !members.some((member) => member.name === name)) {
    const listed = members.map((member) => `"${member.name}"`).join(', ');
    reader.fault(
      path,
      `This member, "${name}" (HOSTNAME), is not one of ${listed}. Add it, or set HOSTNAME.`,
    );
  }
  return Object.freeze(members);
}

function readMember(reader: VariableReader, path: string, item: string): readonly MemberAddress[] {
  const separator = item.indexOf('=');
  const name = item.slice(0, Math.max(0, separator)).trim();
  const url = item.slice(separator + 1).trim();
  if (separator === -1 || !memberName.test(name)) {
    reader.fault(
      path,
      `"${item}" is not of the form name=url, e.g. slimfaas-0=http://slimfaas-0.slimfaas:3262.`,
    );
    return [];
  }
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.href !== `${parsed.origin}/`) {
    reader.fault(path, `"${url}" of member "${name}" is not a URL of the form http://host:port.`);
    return [];
  }
  return [Object.freeze({ name, url: parsed.origin })];
}

function readSecret(reader: VariableReader, system: ConfigSystem): string | null {
  const inline = reader.text('SlimData__ClusterSecret');
  const path = 'SlimData__ClusterSecretFile';
  const file = reader.text(path);
  if (file === null) return inline;
  if (inline !== null) {
    reader.fault(path, 'SlimData__ClusterSecret is set too. Keep one of them.');
    return null;
  }
  try {
    const secret = system.readFile(file).trim();
    if (secret === '') reader.fault(path, `The file "${file}" is empty. Put the secret into it.`);
    return secret;
  } catch (error) {
    reader.fault(
      path,
      `The file "${file}" cannot be read: ${error instanceof Error ? error.message : error}`,
    );
    return null;
  }
}

/** A beat must reach everyone several times before anyone loses patience, or leaders fall for nothing. */
function readTimers(reader: VariableReader): Pick<SlimDataConfig, 'heartbeatMs' | 'electionTimeoutMs'> {
  const heartbeatMs = reader.integer('SlimData__HeartbeatMs', 100, 5, 60_000);
  const path = 'SlimData__ElectionTimeoutMs';
  const electionTimeoutMs = reader.integer(path, Math.max(1_000, 10 * heartbeatMs), 15, 600_000);
  const least = 3 * heartbeatMs;
  if (electionTimeoutMs < least) {
    const text = `${electionTimeoutMs} is too short for SlimData__HeartbeatMs ${heartbeatMs}: at least ${least}.`;
    reader.fault(path, text);
  }
  return { heartbeatMs, electionTimeoutMs };
}

/** Peers that do not prove who they are may be believed on this machine only, or by explicit choice. */
function checkAuthentication(reader: VariableReader, config: SlimDataConfig): void {
  const path = 'SlimData__AllowUnauthenticatedPeers';
  const allowed = reader.flag(path);
  if (allowed || config.clusterSecret !== null) return;
  const remote = config.members.find((member) => !isLoopback(member.url));
  if (remote === undefined) return;
  const text = `Member "${remote.name}" is on another machine (${remote.url}) and no secret is set.`;
  reader.fault('SlimData__ClusterSecret', `${text} Set one, or ${path}=true if the network is trusted.`);
}

/** Members that all live on this machine need not be reached from elsewhere. */
function defaultHost(members: readonly MemberAddress[]): string {
  if (!members.every((member) => isLoopback(member.url))) return '0.0.0.0';
  return members.some((member) => member.url.includes('[::1]')) ? '::1' : '127.0.0.1';
}

function isLoopback(url: string): boolean {
  const { hostname: host } = new URL(url);
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Reads variables and remembers what was wrong with them. An empty variable counts as not set. */
class VariableReader {
  readonly faults: ConfigFault[] = [];
  readonly #environment: Readonly<Record<string, string | undefined>>;

  constructor(environment: Readonly<Record<string, string | undefined>>) {
    this.#environment = environment;
  }

  fault(path: string, message: string): void {
    this.faults.push({ path, message });
  }

  text(path: string): string | null {
    const value = this.#environment[path]?.trim() ?? '';
    return value === '' ? null : value;
  }

  /** A whole number in [least, most]. */
  integer(path: string, fallback: number, least: number, most: number): number {
    const text = this.text(path);
    if (text === null) return fallback;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    this.fault(path, `"${text}" is not a whole number from ${least} to ${most}.`);
    return fallback;
  }

  flag(path: string): boolean {
    const text = this.text(path)?.toLowerCase() ?? 'false';
    if (text !== 'true' && text !== 'false') this.fault(path, `"${text}" is neither true nor false.`);
    return text === 'true';
  }
}
