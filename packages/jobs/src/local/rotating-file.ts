import { closeSync, openSync, renameSync, statSync, writeSync } from 'node:fs';

/** Output kept in at most two files of `bytesMax` bytes each: `path` and, older, `path.1`. */
export class RotatingFile {
  readonly #path: string;
  readonly #bytesMax: number;
  #descriptor: number;
  #bytes: number;

  constructor(path: string, bytesMax: number) {
    this.#path = path;
    this.#bytesMax = bytesMax;
    this.#descriptor = openSync(path, 'a');
    this.#bytes = statSync(path).size;
  }

  write(chunk: Buffer): void {
    if (this.#bytes + chunk.length > this.#bytesMax) {
      closeSync(this.#descriptor);
      renameSync(this.#path, `${this.#path}.1`);
      this.#descriptor = openSync(this.#path, 'w');
      this.#bytes = 0;
    }
    this.#bytes += writeSync(this.#descriptor, chunk);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
