/**
 * What the log asks of an operating system, and nothing more; tests hand in one that fails and crashes on demand.
 * Every call rejects with the error of the system. Offsets and sizes are bytes.
 */
export interface FileSystem {
  /** Makes the directory and its parents, each durable in its own parent. */
  makeDirectory(path: string): Promise<void>;
  /** Names in the directory, in no particular order. */
  list(path: string): Promise<readonly string[]>;
  /** Opens an existing file for reading and writing. */
  open(path: string): Promise<LogFile>;
  /** Makes a file, or empties the one that is there. */
  create(path: string): Promise<LogFile>;
  /** Atomic; replaces the target. Durable after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;
  /** Durable after `syncDirectory`. */
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /**
   * Takes the directory for this process until `close`, or until the process dies however it dies.
   * Throws `LogError` `locked` while another holds it.
   */
  lock(path: string): Promise<DirectoryLock>;
}

export interface LogFile {
  /** Bytes read; less than asked for only at the end of the file. */
  read(into: Buffer, offset: number): Promise<number>;
  /** Writes all bytes or rejects. */
  write(bytes: Buffer, offset: number): Promise<void>;
  /** fdatasync: the content written so far is on stable storage. */
  syncData(): Promise<void>;
  /** fsync: content and size are on stable storage. */
  sync(): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface DirectoryLock {
  close(): Promise<void>;
}
