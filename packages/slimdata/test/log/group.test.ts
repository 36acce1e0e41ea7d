import { expect } from 'chai';
import * as fc from 'fast-check';
import { describe, it } from 'mocha';
import { blockBytes, inspectBlock } from '../../src/log/block.ts';
import {
  blockCount,
  copyBlockData,
  encodeGroup,
  groupBytes,
  groupPayloadBytes,
  nextChain,
  readBlockHead,
} from '../../src/log/group.ts';

describe('group', () => {
  it('comes back whole for payloads around every block boundary', () => {
    for (let blocks = 1; blocks <= 9; blocks += 1) {
      for (const delta of [-2, -1, 0]) {
        const payload = Buffer.from(
          Array.from({ length: groupPayloadBytes(blocks) + delta }, (_, at) => at % 251),
        );
        const bytes = encodeGroup(payload, 41, 99);
        expect(bytes.length)
          .to.equal(blocks * blockBytes)
          .and.to.equal(groupBytes(payload.length));
        const read = Buffer.alloc(groupPayloadBytes(blocks));
        for (let number = 0; number < blocks; number += 1) {
          const block = bytes.subarray(number * blockBytes, (number + 1) * blockBytes);
          expect(inspectBlock(block, 99)).to.equal('valid');
          expect(readBlockHead(block)).to.deep.equal({ sequence: 41, number, count: blocks });
          copyBlockData(block, number, read);
        }
        expect(read.subarray(0, payload.length).equals(payload)).to.equal(true);
      }
      expect(blockCount(groupPayloadBytes(blocks) + 1)).to.equal(blocks + 1);
    }
  });

  it('has no zero block, even for a payload of zeros', () => {
    const bytes = encodeGroup(Buffer.alloc(5000), 1, 0);
    for (let at = 0; at < bytes.length; at += blockBytes) {
      expect(inspectBlock(bytes.subarray(at, at + blockBytes), 0)).to.equal('valid');
    }
  });

  it('chains: the next seed depends on the payload and on the seed before', () => {
    return fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1 }),
        fc.nat(),
        fc.nat(),
        fc.nat(),
        (content, chain, other, at) => {
          const payload = Buffer.from(content);
          const changed = Buffer.from(content);
          changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ 1;
          expect(nextChain(changed, chain)).to.not.equal(nextChain(payload, chain));
          if (chain !== other) expect(nextChain(payload, other)).to.not.equal(nextChain(payload, chain));
        },
      ),
    );
  });
});
