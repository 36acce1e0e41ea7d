/**
 * What the log asks of an operating system, and nothing more; tests hand in one that fails and crashes on demand.
 * Every call rejects with the error of the system. Offsets and sizes are bytes.
 */
export interface FileSystem extends FileReader {
  /** Makes the directory and its parents, each durable in its own parent. */
  makeDirectory(path: string): Promise<void>;
  /** Opens an existing file for reading and writing. */
  open(path: string): Promise<LogFile>;
  /** Makes a file, or empties the one that is there. */
  create(path: string): Promise<LogFile>;
  /** Atomic; replaces the target. Durable after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;
  /** Durable after `syncDirectory`. */
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** Room on the volume of this directory, as far as the system tells; a quota may allow less. */
  freeBytes(path: string): Promise<number>;
  /**
   * Takes the directory for this process until `close`, or until the process dies however it dies.
   * Throws `LogError` `locked` while another holds it.
   */
  lock(path: string): Promise<DirectoryLock>;
}

/** The part that changes nothing. */
export interface FileReader {
  /** Names in the directory, in no particular order. */
  list(path: string): Promise<readonly string[]>;
  /** Opens an existing file for reading only. */
  openToRead(path: string): Promise<ReadableFile>;
  /** Who holds the lock of the directory, in words; null when nobody does. Takes nothing. */
  lockHolder(path: string): Promise<string | null>;
}

export interface ReadableFile {
  /** Bytes read; less than asked for only at the end of the file. */
  read(into: Buffer, offset: number): Promise<number>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface LogFile extends ReadableFile {
  /** Writes all bytes or rejects. */
  write(bytes: Buffer, offset: number): Promise<void>;
  /** fdatasync: the content written so far is on stable storage. */
  syncData(): Promise<void>;
  /** fsync: content and size are on stable storage. */
  sync(): Promise<void>;
}

export interface DirectoryLock {
  close(): Promise<void>;
}
