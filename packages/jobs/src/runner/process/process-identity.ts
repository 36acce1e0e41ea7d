import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * One process, told apart from every other one, also from a later one with the same pid: pid and start time
 * within a boot and a PID namespace. Platforms without /proc give the start as wall time and no boot or namespace.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
  readonly namespace: string;
}

/** A row of the process table. */
interface ProcessRow {
  readonly pid: number;
  readonly group: number;
  readonly session: number;
  readonly startTime: string;
  /** False = a zombie, which runs nothing and only waits to be reaped. */
  readonly isRunning: boolean;
}

const hasProcFs = process.platform === 'linux';

/** Identity of the boot and the PID namespace that this process lives in. */
export const host = {
  bootId: hasProcFs ? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() : '-',
  namespace: hasProcFs ? (readlinkSync('/proc/self/ns/pid').match(/\d+/)?.[0] ?? '-') : '-',
};

/** Identity of the living (or not yet reaped) process `pid`; null = there is none. */
export function identifyProcess(pid: number): ProcessIdentity | null {
  const row = readRow(pid);
  return row === null ? null : { pid, startTime: row.startTime, ...host };
}

/**
 * Is this very process alive? `presence` names the FIFO that every process of ours holds open in its boot and
 * PID namespace: what cannot be looked up from here counts as alive while anybody over there holds it.
 */
export function isProcessAlive(identity: ProcessIdentity, presence: (namespace: string) => string): boolean {
  if (identity.bootId !== host.bootId) return false;
  if (identity.namespace !== host.namespace) return isHeld(presence(identity.namespace));
  const row = readRow(identity.pid);
  return row?.isRunning === true && row.startTime === identity.startTime;
}

/**
 * Is any process alive in the group or session that this process led? False for what another boot or namespace ran.
 * The leader's id cannot be reused while its group lives, but the group may have ended long ago and the id have
 * been given to a stranger that ended too: then `isMember` tells our processes from the stranger's.
 */
export function isGroupAlive(leader: ProcessIdentity, isMember: (pid: number) => boolean): boolean {
  if (!isOurs(leader)) return false;
  const row = readRow(leader.pid);
  if (row !== null && row.startTime !== leader.startTime) return false;
  return row?.isRunning === true || membersOf(leader.pid).some(({ pid }) => isMember(pid));
}

/** Sends a signal to the whole group, and to what left the group but not the session. */
export function signalGroup(
  leader: ProcessIdentity,
  isMember: (pid: number) => boolean,
  signal: NodeJS.Signals,
): void {
  if (!isGroupAlive(leader, isMember)) return;
  sendSignal(-leader.pid, signal);
  for (const row of membersOf(leader.pid)) {
    if (row.group !== leader.pid && isMember(row.pid)) sendSignal(row.pid, signal);
  }
}

/** Was this process started with this variable in its environment? False where that cannot be read. */
export function hasVariable(pid: number, name: string, value: string): boolean {
  if (!hasProcFs) return false;
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`${name}=${value}`);
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return false;
    throw error;
  }
}

/** Sends a signal to this process if it is still this process. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isOurs(identity)) return;
  if (readRow(identity.pid)?.startTime === identity.startTime) sendSignal(identity.pid, signal);
}

/** A FIFO can be opened for writing without waiting exactly while somebody holds it open for reading. */
function isHeld(fifo: string): boolean {
  try {
    closeSync(openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENXIO' || code === 'ENOENT') return false;
    throw error;
  }
}

function isOurs(identity: ProcessIdentity): boolean {
  return identity.bootId === host.bootId && identity.namespace === host.namespace;
}

function membersOf(leader: number): readonly ProcessRow[] {
  return readTable().filter((row) => row.isRunning && (row.group === leader || row.session === leader));
}

function sendSignal(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function readTable(): readonly ProcessRow[] {
  if (!hasProcFs) return psRows(['-ax']);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readRow(Number(name)) ?? []);
}

function readRow(pid: number): ProcessRow | null {
  if (!hasProcFs) return psRows(['-p', String(pid)])[0] ?? null;
  try {
    return parseStat(pid, readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}

/** proc(5): after `pid (name)`, which may hold anything, field 3 (state) comes first. */
function parseStat(pid: number, text: string): ProcessRow {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const at = (field: number) => fields[field - 3] ?? '';
  const isZombie = at(3) === 'Z' || at(3) === 'X';
  return {
    pid,
    group: Number(at(5)),
    session: Number(at(6)),
    startTime: at(22),
    // A main thread may end before the others: such a process shows as a zombie and still runs.
    isRunning: !isZombie || Number(at(20)) > 1,
  };
}

/** Platforms without /proc. `sess` is an address on some of them, so sessions are not followed there. */
function psRows(selection: readonly string[]): readonly ProcessRow[] {
  const { stdout } = spawnSync('ps', [...selection, '-o', 'pid=,pgid=,stat=,lstart='], { encoding: 'utf8' });
  return (stdout ?? '').split('\n').flatMap((line) => {
    const [, pid, group, state, startTime] = line.match(/^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/) ?? [];
    if (pid === undefined || state === undefined || startTime === undefined) return [];
    return [
      { pid: Number(pid), group: Number(group), session: 0, startTime, isRunning: !state.startsWith('Z') },
    ];
  });
}
