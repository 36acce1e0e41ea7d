import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { FrameQueue } from '../../src/peers/frame-queue.ts';

describe('FrameQueue', () => {
  it('gives frames back in order, joined up to the wanted size', () => {
    const queue = new FrameQueue(1000, 100);
    for (const text of ['aaaa', 'bbbb', 'cc', 'dddddddddd']) {
      expect(queue.push(Buffer.from(text))).to.equal(true);
    }
    expect(queue.take(8).map(String)).to.deep.equal(['aaaa', 'bbbb']);
    expect(queue.take(8).map(String)).to.deep.equal(['cc']);
    expect(queue.take(8).map(String), 'one frame at least, however large').to.deep.equal(['dddddddddd']);
    expect(queue.take(8)).to.deep.equal([]);
  });

  it('refuses what would exceed its bytes or its number, and takes more once there is room', () => {
    const queue = new FrameQueue(10, 3);
    expect(queue.push(Buffer.alloc(6))).to.equal(true);
    expect(queue.push(Buffer.alloc(5))).to.equal(false);
    expect(queue.push(Buffer.alloc(2))).to.equal(true);
    expect(queue.push(Buffer.alloc(2))).to.equal(true);
    expect(queue.push(Buffer.alloc(0))).to.equal(false);
    queue.take(1);
    expect(queue.push(Buffer.alloc(6))).to.equal(true);
  });

  it('tells how many frames were dropped when it is cleared', () => {
    const queue = new FrameQueue(10, 10);
    queue.push(Buffer.alloc(3));
    queue.push(Buffer.alloc(3));
    queue.take(3);
    expect(queue.clear()).to.equal(1);
    expect(queue.length).to.equal(0);
    expect(queue.push(Buffer.alloc(10))).to.equal(true);
  });

  it('behaves like a list under any sequence of pushes and takes', () => {
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ take: fc.integer({ min: 1, max: 100 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new FrameQueue(300, 20);
        const model: Buffer[] = [];
        for (const each of steps) {
          if ('push' in each) {
            const frame = Buffer.alloc(each.push);
            const held = model.reduce((sum, one) => sum + one.length, 0);
            const fits = held + frame.length <= 300 && model.length < 20;
            expect(queue.push(frame)).to.equal(fits);
            model.push(...(fits ? [frame] : []));
          } else {
            const taken = queue.take(each.take);
            expect(taken).to.deep.equal(model.splice(0, taken.length));
            expect(taken.length > 0 || model.length === 0).to.equal(true);
          }
          expect(queue.length).to.equal(model.length);
        }
      }),
    );
  });
});
