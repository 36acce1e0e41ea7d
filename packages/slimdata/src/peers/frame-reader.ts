import { crc32 } from 'node:zlib';
import { FRAME_HEAD_BYTES } from './codec.ts';
import { MalformedError } from './malformed-error.ts';

const EMPTY = Buffer.alloc(0);

/**
 * Cuts a stream of bytes into the bodies of frames. A body that lies within one chunk is a view on it; one that
 * spans chunks is copied once into a buffer of its size. Holds at most one body besides the chunk in hand.
 */
export class FrameReader {
  /** A longer body is refused before any of it is kept. May be raised between chunks. */
  bytesMax: number;
  private chunk: Buffer = EMPTY;
  private position = 0;
  private readonly head = Buffer.alloc(FRAME_HEAD_BYTES);
  private headFilled = 0;
  private body: Buffer | null = null;
  private bodyFilled = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Adds what was received. Call `next` until it is null before adding more. */
  push(chunk: Buffer): void {
    this.chunk = chunk;
    this.position = 0;
  }

  /** The next whole body, null when more bytes are needed. @throws MalformedError and is of no use afterwards. */
  next(): Buffer | null {
    const body = this.takeHead() ? this.takeBody() : null;
    if (body === null) {
      this.chunk = EMPTY;
      this.position = 0;
      return null;
    }
    if (crc32(body) !== this.head.readUInt32BE(4)) {
      throw new MalformedError(`a frame of ${body.length} bytes has a wrong checksum`);
    }
    this.headFilled = 0;
    this.body = null;
    return body;
  }

  private get available(): number {
    return this.chunk.length - this.position;
  }

  /** True once the head is complete and its length is allowed. */
  private takeHead(): boolean {
    if (this.headFilled < FRAME_HEAD_BYTES) {
      const wanted = Math.min(FRAME_HEAD_BYTES - this.headFilled, this.available);
      this.chunk.copy(this.head, this.headFilled, this.position, this.position + wanted);
      this.headFilled += wanted;
      this.position += wanted;
    }
    if (this.headFilled < FRAME_HEAD_BYTES) {
      return false;
    }
    const length = this.head.readUInt32BE(0);
    if (length > this.bytesMax) {
      throw new MalformedError(`a frame of ${length} bytes exceeds the bound of ${this.bytesMax}`);
    }
    return true;
  }

  private takeBody(): Buffer | null {
    const length = this.head.readUInt32BE(0);
    if (this.body === null && this.available >= length) {
      this.position += length;
      return this.chunk.subarray(this.position - length, this.position);
    }
    if (this.body === null) {
      this.body = Buffer.allocUnsafeSlow(length);
      this.bodyFilled = 0;
    }
    const wanted = Math.min(length - this.bodyFilled, this.available);
    this.chunk.copy(this.body, this.bodyFilled, this.position, this.position + wanted);
    this.bodyFilled += wanted;
    this.position += wanted;
    return this.bodyFilled === length ? this.body : null;
  }
}
