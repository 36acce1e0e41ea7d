import assert from 'node:assert/strict';
import { assertConfiguration } from './configuration.ts';
import type { Configuration, MemberName } from './types.ts';

/*
 * A configuration as bytes, in log entries and beside checkpoints:
 *
 *   u8 version (1) | u8 flags (bit 0: autoLeave) | voters | outgoing | learners | learnersNext
 *
 * A set is a u16 count and that many names in ascending order of their UTF-16 units, a name a u16 length and
 * UTF-8. Little endian. Equal configurations have equal bytes.
 */

const VERSION = 1;
const AUTO_LEAVE = 1;
const HEAD_BYTES = 2;
const COUNT_BYTES = 2;
const U16_MAX = 0xffff;

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { voters, outgoing, learners, learnersNext, autoLeave } = configuration;
  const head = Buffer.from([VERSION, autoLeave ? AUTO_LEAVE : 0]);
  return Buffer.concat([head, ...[voters, outgoing, learners, learnersNext].flatMap(encodeNames)]);
}

/**
 * The configuration in `bytes`. Other bytes than `encodeConfiguration` makes are a broken invariant: a member
 * that does not know who its peers are must not take part.
 */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  assert(buffer.length >= HEAD_BYTES, `a configuration of ${buffer.length} bytes is cut off`);
  const [version, flags = 0] = buffer;
  assert.equal(
    version,
    VERSION,
    `configuration of version ${version}, but this release knows ${VERSION}: start the newer release`,
  );
  assert(flags <= AUTO_LEAVE, `a configuration with unknown flags ${flags}`);
  const reader = new NameReader(buffer, HEAD_BYTES);
  const configuration = {
    voters: reader.names(),
    outgoing: reader.names(),
    learners: reader.names(),
    learnersNext: reader.names(),
    autoLeave: flags === AUTO_LEAVE,
  };
  assert(reader.atEnd, 'a configuration is followed by other bytes');
  assertConfiguration(configuration);
  return configuration;
}

function encodeNames(names: ReadonlySet<MemberName>): Buffer[] {
  return [u16(names.size), ...[...names].sort().flatMap(encodeName)];
}

function encodeName(name: MemberName): Buffer[] {
  const bytes = Buffer.from(name);
  return [u16(bytes.length), bytes];
}

function u16(value: number): Buffer {
  assert(value <= U16_MAX, `${value} does not fit into 16 bits`);
  const bytes = Buffer.alloc(COUNT_BYTES);
  bytes.writeUInt16LE(value);
  return bytes;
}

class NameReader {
  readonly #buffer: Buffer;
  #at: number;

  constructor(buffer: Buffer, at: number) {
    this.#buffer = buffer;
    this.#at = at;
  }

  get atEnd(): boolean {
    return this.#at === this.#buffer.length;
  }

  names(): Set<MemberName> {
    const count = this.#take(COUNT_BYTES).readUInt16LE();
    const names = new Set<MemberName>();
    let previous = '';
    for (let i = 0; i < count; i += 1) {
      const name = this.#take(this.#take(COUNT_BYTES).readUInt16LE()).toString();
      assert(name > previous, `the name "${name}" after "${previous}"`);
      names.add(name);
      previous = name;
    }
    return names;
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    assert(end <= this.#buffer.length, `a configuration of ${this.#buffer.length} bytes is cut off`);
    const taken = this.#buffer.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
