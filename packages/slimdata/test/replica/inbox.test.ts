import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { PeerMessage } from '../../src/peers/peer-message.ts';
import { Inbox } from '../../src/replica/inbox.ts';

const refusal = (sequence: number): PeerMessage => ({
  type: 'ProposeRefused',
  sequence,
  reason: 'not_leader',
});

describe('inbox', () => {
  it('hands out everything once, mail and durable writes in order', () => {
    const inbox = new Inbox(10);
    for (const sequence of [1, 2, 3]) inbox.receive('a', refusal(sequence));
    for (const token of [7, 8]) inbox.durable(token);
    inbox.unreachable('b');
    inbox.snapshotEnded('c', 9);
    const post = inbox.take();
    expect(post.mail.map(({ message }) => message)).to.deep.equal([1, 2, 3].map(refusal));
    const snapshots = [{ peer: 'c', index: 9 }];
    expect(post).to.deep.include({ durable: [7, 8], unreachable: new Set(['b']), snapshots, tick: false });
    const nothing = { mail: [], durable: [], unreachable: new Set(), snapshots: [], tick: false };
    expect(inbox.take()).to.deep.equal(nothing);
  });

  it('knows one tick, however many there were', () => {
    const inbox = new Inbox(10);
    for (let i = 0; i < 5; i++) inbox.tick();
    expect([inbox.take().tick, inbox.take().tick]).to.deep.equal([true, false]);
  });

  it('drops mail beyond its bound and names who sent it', () => {
    const inbox = new Inbox(2);
    for (const from of ['a', 'a', 'b', 'c']) inbox.receive(from, refusal(1));
    const post = inbox.take();
    expect(post.mail.map(({ from }) => from)).to.deep.equal(['a', 'a']);
    expect(post.unreachable).to.deep.equal(new Set(['b', 'c']));
  });
});
