import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import {
  applyVersionEdit,
  logRecords,
  maskedCrc32c,
  parseIndexBlock,
  parseTableFooter,
  type TableFile,
  tableName,
  VarintReader,
} from '../../src/checkpoint/leveldb-format.ts';
import { Feed, set } from '../state-machine/feed.ts';
import { configuration, Workplace } from './test-checkpoint.ts';

/** The inverse of what LevelDB does to a checksum before it stores it. */
function unmasked(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

describe("LevelDB's formats", () => {
  const checksums: readonly [text: string, crc: number][] = [
    // RFC 3720 B.4, and the check value of the catalogue of CRCs.
    ['\0'.repeat(32), 0x8a9136aa],
    ['\xff'.repeat(32), 0x62a8ab43],
    ['123456789', 0xe3069283],
    ['', 0],
  ];
  for (const [text, crc] of checksums) {
    it(`know the checksum of ${JSON.stringify(text.slice(0, 9))}`, () => {
      expect(unmasked(maskedCrc32c(Buffer.from(text, 'latin1')))).to.equal(crc);
    });
  }

  it('count in sevens of bits', () => {
    const reader = new VarintReader(
      Buffer.from([0x00, 0x7f, 0x80, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    );
    expect([reader.next(), reader.next(), reader.next(), reader.next()]).to.deep.equal([
      0,
      127,
      128,
      2 ** 53 - 1,
    ]);
    expect(() => reader.next()).to.throw(RangeError);
    expect(() => new VarintReader(Buffer.alloc(12, 0xff)).next()).to.throw(RangeError);
  });

  it('are read as LevelDB wrote them', async () => {
    await using place = await Workplace.create();
    const feed = new Feed();
    for (let round = 0; round < 3; round++) {
      feed.run(
        [],
        Array.from({ length: 2_000 }, (_, field) => set('h', `${round} ${field}`, 'x'.repeat(100))),
      );
      const checkpoint = await place.open();
      await checkpoint.write(feed.machine.freeze(), configuration);
      await checkpoint.close();
    }
    await (await place.open()).close();
    const directory = join(place.path(), 'checkpoint');
    const current = (await readFile(join(directory, 'CURRENT'), 'utf8')).trim();
    const manifest = await readFile(join(directory, current));
    const tables = new Map<number, TableFile>();
    for (const edit of logRecords(manifest)) applyVersionEdit(edit, tables);
    const onDisk = (await readdir(directory)).filter((name) => name.endsWith('.ldb'));
    expect([...tables.keys()].map(tableName)).to.have.members(onDisk);
    for (const { number, bytes } of tables.values()) {
      const file = await readFile(join(directory, tableName(number)));
      expect(file.length).to.equal(bytes);
      const { index } = parseTableFooter(file.subarray(-48));
      const blocks = parseIndexBlock(file.subarray(index.offset, index.offset + index.bytes));
      // Blocks of about 4 KiB, one right behind the other.
      expect(blocks.length).to.be.above(file.length / 8_192);
      for (const [position, { offset }] of blocks.entries()) {
        const previous = blocks[position - 1];
        expect(offset).to.equal(previous === undefined ? 0 : previous.offset + previous.bytes + 5);
      }
    }
    expect(() => [...logRecords(manifest.fill(1, 10, 11))]).to.throw(RangeError, 'byte 0');
  });
});
