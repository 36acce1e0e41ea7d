import assert from 'node:assert/strict';

/**
 * Writes one MessagePack array of unsigned integers, booleans, byte strings and nested arrays into a buffer of
 * its own, after `reservedBytes` left free for a header. A general packer shares growing slabs between all its
 * results, so that one large message would keep megabytes alive behind every small one; this one does not.
 */
export class TupleWriter {
  private readonly buffer: Buffer;
  private position: number;

  /** `bytesMax` bounds what is written after the reserved bytes. */
  constructor(bytesMax: number, reservedBytes: number) {
    this.buffer = Buffer.allocUnsafe(reservedBytes + bytesMax);
    this.position = reservedBytes;
  }

  array(length: number): void {
    if (length < 16) {
      this.position = this.buffer.writeUInt8(0x90 | length, this.position);
    } else if (length <= 0xffff) {
      this.head16(0xdc, length);
    } else {
      this.head32(0xdd, length);
    }
  }

  /** A safe integer that is not negative, in its shortest form. */
  count(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, `a count must be a safe integer >= 0, got ${value}`);
    if (value < 0x80) {
      this.position = this.buffer.writeUInt8(value, this.position);
    } else if (value <= 0xff) {
      this.head8(0xcc, value);
    } else if (value <= 0xffff) {
      this.head16(0xcd, value);
    } else if (value <= 0xffffffff) {
      this.head32(0xce, value);
    } else {
      this.head32(0xcf, Math.floor(value / 0x100000000));
      this.position = this.buffer.writeUInt32BE(value % 0x100000000, this.position);
    }
  }

  flag(value: boolean): void {
    this.position = this.buffer.writeUInt8(value ? 0xc3 : 0xc2, this.position);
  }

  bytes(value: Uint8Array): void {
    if (value.length <= 0xff) {
      this.head8(0xc4, value.length);
    } else if (value.length <= 0xffff) {
      this.head16(0xc5, value.length);
    } else {
      this.head32(0xc6, value.length);
    }
    this.buffer.set(value, this.position);
    this.position += value.length;
  }

  /** Reserved bytes (still to be filled) and what was written. */
  finish(): Buffer {
    return this.buffer.subarray(0, this.position);
  }

  private head8(token: number, value: number): void {
    this.position = this.buffer.writeUInt8(value, this.buffer.writeUInt8(token, this.position));
  }

  private head16(token: number, value: number): void {
    this.position = this.buffer.writeUInt16BE(value, this.buffer.writeUInt8(token, this.position));
  }

  private head32(token: number, value: number): void {
    this.position = this.buffer.writeUInt32BE(value, this.buffer.writeUInt8(token, this.position));
  }
}
