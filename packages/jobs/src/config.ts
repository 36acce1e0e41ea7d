import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type Fault, failed, type Parsed, quote } from './model/fault.ts';
import {
  createJobsConfiguration,
  type JobsConfiguration,
  parseJobsConfiguration,
} from './model/jobs-configuration.ts';
import { requireCommand } from './model/merge-request.ts';
import { nearestKey } from './model/nearest-key.ts';

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** What the `SlimFaas__*` variables say. Frozen. */
export interface Config {
  readonly jobs: JobsConfiguration;
  /** Where `jobs` was read from, so that it can be read again when it changes; null = from the variable, or nowhere. */
  readonly jobsFile: string | null;
  readonly orchestrator: 'Process';
  readonly namespace: string;
  /** REST; 0 = any free port. */
  readonly port: number;
  /** Addresses (`10.0.0.1`) and ranges (`10.0.0.0/8`) whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Bearer token that makes a caller internal; null = none does. */
  readonly internalToken: string | null;
  /** Where the Process orchestrator keeps its runs; shared by the members of one machine. */
  readonly processDirectory: string;
  readonly logLevel: LogLevel;
  /** Sentences for the operator: what is not wrong, but is probably not meant. */
  readonly warnings: readonly string[];
}

export type Variables = Readonly<Record<string, string | undefined>>;
/** The text of a file; throws when it cannot be read. */
export type ReadFile = (path: string) => string;

const known = [
  'SlimFaas__JobsConfiguration',
  'SlimFaas__JobsConfigurationFile',
  'SlimFaas__Orchestrator',
  'SlimFaas__Namespace',
  'SlimFaas__Port',
  'SlimFaas__TrustedProxies',
  'SlimFaas__InternalToken',
  'SlimFaas__InternalTokenFile',
  'SlimFaas__ProcessDirectory',
  'SlimFaas__LogLevel',
] as const;
type Known = (typeof known)[number];

const namespaceFile = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

/**
 * Reads every variable of this package and everything that they point at. A variable that is empty counts as not set.
 * All faults are given together; no message holds a token, or a value of an environment variable of a job.
 */
export function parseConfig(
  variables: Variables,
  readFile: ReadFile = (path) => readFileSync(path, 'utf8'),
): Parsed<Config> {
  const reader = new VariableReader(variables, readFile);
  const jobs = readJobs(reader);
  const config: Config = {
    jobs: jobs ?? createJobsConfiguration(),
    jobsFile: reader.text('SlimFaas__JobsConfigurationFile'),
    orchestrator: readOrchestrator(reader, variables),
    namespace: readNamespace(reader),
    port: readPort(reader),
    trustedProxies: Object.freeze(readTrustedProxies(reader)),
    internalToken: readInternalToken(reader),
    processDirectory: reader.text('SlimFaas__ProcessDirectory') ?? './data/runs',
    logLevel: readLogLevel(reader),
    warnings: Object.freeze([...warnOfVariables(variables), ...warnOfCommands(jobs)]),
  };
  return reader.faults.length === 0 ? { ok: true, value: Object.freeze(config) } : failed(reader.faults);
}

class VariableReader {
  readonly faults: Fault[] = [];
  readonly #variables: Variables;
  readonly #readFile: ReadFile;

  constructor(variables: Variables, readFile: ReadFile) {
    this.#variables = variables;
    this.#readFile = readFile;
  }

  text(name: Known): string | null {
    const text = this.#variables[name];
    return text === undefined || text.trim() === '' ? null : text;
  }

  fault(name: Known, message: string): void {
    this.faults.push({ code: 'invalid_value', path: name, message });
  }

  /** The variable, or the content of the file that its twin names. */
  textOrFile(name: Known, fileName: Known): string | null {
    const inline = this.text(name);
    const file = this.text(fileName);
    if (file === null) return inline;
    if (inline !== null) {
      this.fault(fileName, `${name} is set too; keep one of them.`);
      return null;
    }
    try {
      return this.#readFile(file);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.fault(fileName, `The file ${quote(file)} cannot be read: ${why}`);
      return null;
    }
  }

  /** The content of a file that need not exist. */
  optionalFile(path: string): string | null {
    try {
      return this.#readFile(path);
    } catch {
      return null;
    }
  }
}

function readJobs(reader: VariableReader): JobsConfiguration | null {
  const name = 'SlimFaas__JobsConfiguration';
  const fileName = 'SlimFaas__JobsConfigurationFile';
  const text = reader.textOrFile(name, fileName);
  if (text === null) return null;
  const parsed = parseJobsConfiguration(text);
  if (parsed.ok) return parsed.value;
  const source = reader.text(fileName) === null ? name : fileName;
  reader.faults.push(...parsed.faults.map((fault) => ({ ...fault, path: fault.path || source })));
  return null;
}

function readOrchestrator(reader: VariableReader, variables: Variables): 'Process' {
  const name = 'SlimFaas__Orchestrator';
  const asked = reader.text(name);
  const isInPod = Boolean(variables['KUBERNETES_SERVICE_HOST']);
  const known = ['Auto', 'Kubernetes', 'Docker', 'Process'];
  const orchestrator = known.find((item) => item.toLowerCase() === (asked ?? 'auto').trim().toLowerCase());
  if (orchestrator === undefined) {
    reader.fault(name, `${quote(asked ?? '')} is not an orchestrator; write one of ${known.join(', ')}.`);
  } else if (orchestrator === 'Kubernetes' || orchestrator === 'Docker') {
    reader.fault(name, `This build does not have the orchestrator ${orchestrator} yet; write Process.`);
  } else if (orchestrator === 'Auto' && isInPod) {
    const message = 'In a pod it would be Kubernetes, which this build does not have yet; write Process.';
    reader.fault(name, message);
  }
  return 'Process';
}

function readNamespace(reader: VariableReader): string {
  const name = 'SlimFaas__Namespace';
  const namespace = (reader.text(name) ?? reader.optionalFile(namespaceFile) ?? '').trim() || 'default';
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) {
    reader.fault(name, `${quote(namespace)} is not a namespace: up to 63 of a-z, 0-9 and "-".`);
  }
  return namespace;
}

function readPort(reader: VariableReader): number {
  const name = 'SlimFaas__Port';
  const text = reader.text(name)?.trim() ?? '5000';
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  reader.fault(name, `${quote(text)} is not a port: a whole number from 0 to 65535.`);
  return 0;
}

function readTrustedProxies(reader: VariableReader): string[] {
  const name = 'SlimFaas__TrustedProxies';
  const ranges = (reader.text(name) ?? '').split(/[\s,]+/).filter((item) => item !== '');
  for (const range of ranges) {
    if (!isRange(range)) reader.fault(name, `${quote(range)} is not an address or range like "10.0.0.0/8".`);
  }
  return ranges;
}

function isRange(range: string): boolean {
  const [address = '', prefix = '0', ...rest] = range.split('/');
  const version = isIP(address);
  return (
    version !== 0 &&
    rest.length === 0 &&
    /^\d{1,3}$/.test(prefix) &&
    Number(prefix) <= (version === 4 ? 32 : 128)
  );
}

function readInternalToken(reader: VariableReader): string | null {
  const name = 'SlimFaas__InternalToken';
  const fileName = 'SlimFaas__InternalTokenFile';
  const token = reader.textOrFile(name, fileName)?.replace(/\r?\n$/, '') ?? null;
  if (token === null || /^[\x21-\x7e]+$/.test(token)) return token;
  const source = reader.text(fileName) === null ? name : fileName;
  reader.fault(source, 'The token must be of visible ASCII characters without spaces, and not empty.');
  return null;
}

function readLogLevel(reader: VariableReader): LogLevel {
  const name = 'SlimFaas__LogLevel';
  const text = reader.text(name)?.trim() ?? 'info';
  const level = logLevels.find((item) => item === text.toLowerCase());
  if (level === undefined) {
    reader.fault(name, `${quote(text)} is not a log level; write one of ${logLevels.join(', ')}.`);
  }
  return level ?? 'info';
}

/** Other software may own variables of this family, so an unknown one is not a fault; a near miss is worth a word. */
function warnOfVariables(variables: Variables): readonly string[] {
  return Object.keys(variables).flatMap((name) => {
    if (!/^slimfaas__/i.test(name) || known.some((item) => item === name)) return [];
    const nearest = nearestKey(name, known);
    return nearest === null
      ? []
      : [`Nothing reads the variable ${quote(name)}; did you mean ${quote(nearest)}?`];
  });
}

function warnOfCommands(jobs: JobsConfiguration | null): readonly string[] {
  const declared = [...(jobs?.definitions.values() ?? [])].filter(({ source }) => source === 'Configuration');
  return declared.flatMap(requireCommand).map(({ message }) => message);
}
