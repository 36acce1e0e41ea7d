import type { FileSystem, LogFile, ReadableFile } from '../../src/log/file-system.ts';
import { LogError } from '../../src/log/log-error.ts';

/** Calls that can be counted, held or made to fail. */
export type Operation =
  | 'create'
  | 'open'
  | 'read'
  | 'write'
  | 'syncData'
  | 'sync'
  | 'rename'
  | 'remove'
  | 'syncDirectory';

export interface Call {
  readonly operation: Operation;
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

const sectorBytes = 512;

/** Whether a sector that was written but not synced survives: whole, not at all, or only its first bytes. */
export type Survival = 'whole' | 'none' | number;

class MemoryContent {
  current: Buffer;
  durable: Buffer;
  readonly dirty = new Set<number>();

  constructor(bytes: Buffer) {
    this.current = bytes;
    this.durable = Buffer.from(bytes);
  }

  write(bytes: Buffer, offset: number): void {
    const end = offset + bytes.length;
    if (end > this.current.length) {
      this.current = Buffer.concat([this.current, Buffer.alloc(end - this.current.length)]);
    }
    bytes.copy(this.current, offset);
    for (let sector = Math.floor(offset / sectorBytes); sector * sectorBytes < end; sector += 1)
      this.dirty.add(sector);
  }

  sync(): void {
    this.#settle(() => 'whole');
  }

  crash(choose: () => Survival): void {
    this.#settle(choose);
    this.current = Buffer.from(this.durable);
  }

  #settle(choose: () => Survival): void {
    const growth = this.current.length - this.durable.length;
    if (growth > 0) this.durable = Buffer.concat([this.durable, Buffer.alloc(growth)]);
    for (const sector of this.dirty) {
      const survival = choose();
      if (survival === 'none') continue;
      const from = sector * sectorBytes;
      const bytes = survival === 'whole' ? sectorBytes : survival;
      this.current.copy(this.durable, from, from, Math.min(from + bytes, this.current.length));
    }
    this.dirty.clear();
  }
}

/**
 * A disk with a volatile cache: `crash` keeps what was synced and, of the rest, whatever `choose` says, sector by
 * sector, in any order. Names become durable with `syncDirectory`; of changes that were not, a crash keeps any.
 */
export class MemoryFileSystem implements FileSystem {
  readonly calls: Call[] = [];
  /** Runs before each call; may wait or throw. */
  intercept: ((call: Call) => Promise<void> | void) | null = null;
  /** What was removed, with its last content, and by which call. */
  readonly removed: { readonly path: string; readonly bytes: Buffer; readonly call: number }[] = [];
  /** From this call on (counted from 0) everything fails; a write of that number has still reached the cache. */
  crashAtCall = Number.POSITIVE_INFINITY;
  #names = new Map<string, MemoryContent>();
  #durableNames = new Map<string, MemoryContent>();
  #pendingNames: ((names: Map<string, MemoryContent>) => void)[] = [];
  /** Room on the volume, and whether `freeBytes` knows of this limit (a quota is often not told). */
  capacityBytes = Number.POSITIVE_INFINITY;
  isCapacityTold = true;
  readonly #locks = new Set<string>();

  async makeDirectory(): Promise<void> {}

  async list(directory: string): Promise<readonly string[]> {
    const paths = [...this.#names.keys()].filter((path) => path.startsWith(`${directory}/`));
    return paths.map((path) => path.slice(directory.length + 1));
  }

  async open(path: string): Promise<LogFile> {
    await this.#call('open', path);
    const content = this.#names.get(path);
    if (content === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    return this.#file(path, content);
  }

  async openToRead(path: string): Promise<ReadableFile> {
    const { read, size, close } = await this.open(path);
    return { read, size, close };
  }

  async create(path: string): Promise<LogFile> {
    await this.#call('create', path);
    const content = new MemoryContent(Buffer.alloc(0));
    this.#change((names) => names.set(path, content));
    return this.#file(path, content);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#call('rename', to);
    this.#change((names) => {
      const content = names.get(from);
      // After a crash the file may never have been there.
      if (content !== undefined) names.set(to, content);
      names.delete(from);
    });
  }

  async remove(path: string): Promise<void> {
    await this.#call('remove', path);
    const content = this.#names.get(path);
    if (content === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    this.removed.push({ path, bytes: content.current, call: this.calls.length - 1 });
    this.#change((names) => names.delete(path));
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#call('syncDirectory', path);
    this.#durableNames = new Map(this.#names);
    this.#pendingNames = [];
  }

  async freeBytes(): Promise<number> {
    return this.isCapacityTold ? this.capacityBytes - this.#usedBytes() : Number.POSITIVE_INFINITY;
  }

  async lockHolder(path: string): Promise<string | null> {
    return this.#locks.has(path) ? 'process 1' : null;
  }

  async lock(path: string) {
    if (this.#locks.has(path)) throw new LogError('locked', `Directory "${path}" is in use.`);
    this.#locks.add(path);
    return { close: async () => void this.#locks.delete(path) };
  }

  /** The process dies, the machine goes on: nothing is lost, and nothing becomes durable. Faults end. */
  kill(): void {
    this.#locks.clear();
    this.intercept = null;
    this.crashAtCall = Number.POSITIVE_INFINITY;
  }

  /** The machine dies. Everything that is not durable is lost, but for what is chosen. Faults end. */
  crash(choose: () => Survival, isNameKept: () => boolean): void {
    for (const change of this.#pendingNames) if (isNameKept()) change(this.#durableNames);
    this.#pendingNames = [];
    this.#names = new Map(this.#durableNames);
    for (const content of this.#names.values()) content.crash(choose);
    this.kill();
  }

  /** A copy of the content as programs see it, without faults and locks. */
  clone(): MemoryFileSystem {
    const copy = new MemoryFileSystem();
    for (const [path, content] of this.#names) copy.put(path, content.current);
    return copy;
  }

  put(path: string, bytes: Buffer): void {
    const content = new MemoryContent(Buffer.from(bytes));
    this.#names.set(path, content);
    this.#durableNames.set(path, content);
  }

  get(path: string): Buffer {
    const content = this.#names.get(path);
    if (content === undefined) throw new Error(`no file "${path}"`);
    return content.current;
  }

  delete(path: string): void {
    this.#names.delete(path);
    this.#durableNames.delete(path);
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  count(operation: Operation): number {
    return this.calls.filter((call) => call.operation === operation).length;
  }

  #usedBytes(): number {
    let bytes = 0;
    for (const { current } of this.#names.values()) bytes += current.length;
    return bytes;
  }

  #change(change: (names: Map<string, MemoryContent>) => void): void {
    change(this.#names);
    this.#pendingNames.push(change);
    if (this.calls.length > this.crashAtCall) throw new Error('crashed');
  }

  async #call(operation: Operation, path: string, offset = 0, bytes = 0): Promise<void> {
    const call = { operation, path, offset, bytes };
    const number = this.calls.push(call) - 1;
    const isLast = number === this.crashAtCall && ['write', 'create', 'rename', 'remove'].includes(operation);
    if (number >= this.crashAtCall && !isLast) throw new Error('crashed');
    await this.intercept?.(call);
  }

  #file(path: string, content: MemoryContent): LogFile {
    return {
      read: async (into, offset) => {
        await this.#call('read', path, offset, into.length);
        return content.current.copy(into, 0, offset);
      },
      write: async (bytes, offset) => {
        await this.#call('write', path, offset, bytes.length);
        const growth = Math.max(0, offset + bytes.length - content.current.length);
        const room = this.capacityBytes - this.#usedBytes();
        if (growth > 0 && growth > room) {
          content.write(bytes.subarray(0, bytes.length - growth + Math.max(0, room)), offset);
          throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
        }
        content.write(bytes, offset);
        if (this.calls.length > this.crashAtCall) throw new Error('crashed');
      },
      syncData: async () => {
        await this.#call('syncData', path);
        content.sync();
      },
      sync: async () => {
        await this.#call('sync', path);
        content.sync();
      },
      size: async () => content.current.length,
      close: async () => {},
    };
  }
}
