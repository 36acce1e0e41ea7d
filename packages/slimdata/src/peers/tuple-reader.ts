import { MalformedError } from './malformed-error.ts';

/**
 * Reads what `TupleWriter` writes, from bytes that nobody vouches for. The caller says what must come next, so
 * nothing else of MessagePack (maps, strings, extensions) is ever interpreted: each call takes constant time and
 * memory, and throws `MalformedError` when something else, or nothing, is there.
 */
export class TupleReader {
  private readonly buffer: Buffer;
  private position = 0;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  /** Bytes not read yet: no array can be longer than this. */
  get remaining(): number {
    return this.buffer.length - this.position;
  }

  /** Length of the array that starts here. */
  array(): number {
    const token = this.take(1);
    if (token >= 0x90 && token <= 0x9f) {
      return token & 0x0f;
    }
    const length = token === 0xdc ? this.take(2) : token === 0xdd ? this.take(4) : -1;
    if (length === -1) {
      throw new MalformedError(`expected an array, got token 0x${token.toString(16)}`);
    }
    if (length > this.remaining) {
      throw new MalformedError(`an array of ${length} does not fit in ${this.remaining} bytes`);
    }
    return length;
  }

  /** A safe integer that is not negative. */
  count(): number {
    const token = this.take(1);
    if (token < 0x80) {
      return token;
    }
    switch (token) {
      case 0xcc:
        return this.take(1);
      case 0xcd:
        return this.take(2);
      case 0xce:
        return this.take(4);
      case 0xcf:
        return this.count64();
      default:
        throw new MalformedError(`expected a count, got token 0x${token.toString(16)}`);
    }
  }

  flag(): boolean {
    const token = this.take(1);
    if (token !== 0xc2 && token !== 0xc3) {
      throw new MalformedError(`expected a flag, got token 0x${token.toString(16)}`);
    }
    return token === 0xc3;
  }

  /** A view, not a copy: it keeps the buffer it was read from alive. */
  bytes(): Buffer {
    const token = this.take(1);
    if (token < 0xc4 || token > 0xc6) {
      throw new MalformedError(`expected bytes, got token 0x${token.toString(16)}`);
    }
    const length = this.take(token === 0xc4 ? 1 : token === 0xc5 ? 2 : 4);
    if (length > this.remaining) {
      throw new MalformedError(`${length} bytes announced, ${this.remaining} left`);
    }
    const start = this.position;
    this.position += length;
    return this.buffer.subarray(start, this.position);
  }

  /** Nothing may be left. */
  end(): void {
    if (this.remaining !== 0) {
      throw new MalformedError(`${this.remaining} bytes left after the last field`);
    }
  }

  private count64(): number {
    const high = this.take(4);
    const value = high * 0x100000000 + this.take(4);
    if (high > 0x1fffff) {
      throw new MalformedError('a count exceeds the safe integers');
    }
    return value;
  }

  private take(size: 1 | 2 | 4): number {
    if (size > this.remaining) {
      throw new MalformedError('the message ends in the middle of a field');
    }
    const value = this.buffer.readUIntBE(this.position, size);
    this.position += size;
    return value;
  }
}
