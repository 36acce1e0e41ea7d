import { expect } from 'chai';
import { describe, it } from 'mocha';
import { laneOf } from '../../src/peers/lane.ts';
import type { PeerMessage } from '../../src/peers/peer-message.ts';

describe('laneOf', () => {
  it('sends what carries entries or commands on the bulk lane, in one order', () => {
    const append = { prevLogIndex: 0, prevLogTerm: 0, leaderCommit: 0, entries: [] };
    expect(laneOf({ type: 'AppendEntries', term: 1, ...append })).to.equal('bulk');
    expect(laneOf({ type: 'Propose', sequence: 1, payload: new Uint8Array(1) })).to.equal('bulk');
  });

  it('sends everything else on the control lane', () => {
    const others: PeerMessage[] = [
      { type: 'Heartbeat', term: 1, commit: 0, round: 1 },
      { type: 'RequestVote', term: 1, lastLogIndex: 0, lastLogTerm: 0, transfer: false },
      { type: 'ReadIndex', term: 1, request: 1 },
      { type: 'ProposeRefused', sequence: 1, reason: 'overloaded' },
    ];
    expect(others.map(laneOf)).to.deep.equal(['control', 'control', 'control', 'control']);
  });
});
