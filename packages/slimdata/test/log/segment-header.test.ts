import { expect } from 'chai';
import { describe, it } from 'mocha';
import { blockBytes, finishBlock } from '../../src/log/block.ts';
import {
  encodeSegmentHeader,
  headerChain,
  parseSegmentHeader,
  type SegmentHeader,
} from '../../src/log/segment-header.ts';

const place = { path: '/log/00000003.wal', offset: 0 };
const header: SegmentHeader = {
  number: 3,
  diskId: '00112233445566778899aabbccddeeff',
  before: { index: 2 ** 40, term: 2 ** 39 },
  sequence: 2 ** 41,
  segmentBytes: 64 * 1024 * 1024,
  baseSegment: 2,
  chain: 0xdeadbeef,
  hardState: { term: 2 ** 42, votedFor: 'm'.repeat(256) },
};

describe('segment header', () => {
  it('gives back what was written, in one block', () => {
    const block = encodeSegmentHeader(header);
    expect(block.length).to.equal(blockBytes);
    expect(parseSegmentHeader(block, place)).to.deep.equal(header);
    const withoutVote = { ...header, hardState: { term: 0, votedFor: null } };
    expect(parseSegmentHeader(encodeSegmentHeader(withoutVote), place)).to.deep.equal(withoutVote);
  });

  it('continues the chain: another past gives another seed', () => {
    const other = encodeSegmentHeader({ ...header, chain: 1 });
    expect(headerChain(encodeSegmentHeader(header))).to.not.equal(headerChain(other));
  });

  it('is absent while the block is zero or was cut', () => {
    const block = encodeSegmentHeader(header);
    for (let bytes = 0; bytes < 508; bytes += 1) {
      const cut = Buffer.alloc(blockBytes);
      block.copy(cut, 0, 0, bytes);
      expect(parseSegmentHeader(cut, place), `${bytes} bytes`).to.equal(null);
    }
  });

  it('refuses any changed byte', () => {
    const block = encodeSegmentHeader(header);
    for (let offset = 0; offset < 508; offset += 1) {
      const changed = Buffer.from(block);
      changed[offset] = (changed[offset] ?? 0) ^ 0x10;
      const code = offset >= 8 && offset < 12 ? 'unknown_version' : 'corrupt';
      expect(() => parseSegmentHeader(changed, place), `byte ${offset}`)
        .to.throw()
        .with.property('code', code);
    }
  });

  it('names a format version that it does not know', () => {
    const block = encodeSegmentHeader(header);
    block.writeUInt32LE(3, 8);
    finishBlock(block, 0);
    expect(() => parseSegmentHeader(block, place))
      .to.throw(/format version 3 .*Start this member with the version that wrote it/)
      .with.property('code', 'unknown_version');
  });
});
