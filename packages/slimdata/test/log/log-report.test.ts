import { expect } from 'chai';
import { describe, it } from 'mocha';
import { formatLogReport, type LogReport } from '../../src/log/log-report.ts';

const sound: LogReport = {
  directory: '/data/log',
  holder: null,
  verdict: 'sound',
  diskId: 'ab'.repeat(16),
  hardState: { term: 7, votedFor: 'slimfaas-1' },
  base: { index: 120, term: 3 },
  last: { index: 340, term: 7 },
  segments: [
    {
      file: '00000002.wal',
      number: 2,
      state: 'finished',
      bytes: 67_108_864,
      bytesUsed: 67_107_840,
      diskId: 'ab'.repeat(16),
      before: { index: 120, term: 3 },
      first: { index: 121, term: 3 },
      last: { index: 340, term: 7 },
    },
    {
      file: '00000003.wal',
      number: 3,
      state: 'blank',
      bytes: 67_108_864,
      bytesUsed: 0,
      diskId: null,
      before: null,
      first: null,
      last: null,
    },
  ],
  torn: [],
  leftovers: [],
  damage: [],
};

describe('formatLogReport', () => {
  it('shows a sound log as a short table', () => {
    expect(formatLogReport(sound).split('\n')).to.deep.equal([
      'Log in "/data/log": sound.',
      '  open in      no process',
      `  disk id      ${'ab'.repeat(16)}`,
      '  hard state   term 7, vote for "slimfaas-1"',
      '  entries      121 to 340, the last of term 7, behind entry 120 of term 3',
      '  segment       state     bytes used            begun behind  entries     terms',
      '  00000002.wal  finished  67107840 of 67108864  120           121 to 340  3 to 7',
      '  00000003.wal  blank     0 of 67108864         -             -           -',
      '',
    ]);
  });

  it('shows an empty one, and one that is open', () => {
    const empty: LogReport = {
      ...sound,
      verdict: 'empty',
      holder: 'process 12',
      diskId: null,
      hardState: { term: 0, votedFor: null },
      base: { index: 0, term: 0 },
      last: { index: 0, term: 0 },
      segments: [],
    };
    expect(formatLogReport(empty)).to.match(/empty\. A member started here begins as new/);
    expect(formatLogReport(empty)).to.match(/open in +process 12; what is found may be under way/);
    expect(formatLogReport(empty))
      .to.match(/term 0, no vote/)
      .and.to.match(/entries +none\n/);
  });

  it('explains what is torn, left over and damaged, and what to do', () => {
    const damage = {
      file: '00000002.wal',
      offset: 512,
      code: 'corrupt',
      meaning: 'it is bad',
      remedy: 'Mend it.',
    } as const;
    const text = formatLogReport({
      ...sound,
      verdict: 'damaged',
      torn: [{ file: '00000002.wal', offset: 1024, bytes: 512 }],
      leftovers: ['00000001.wal'],
      damage: [damage],
    });
    expect(text).to.match(/DAMAGED\. A member refuses to start here/);
    expect(text).to.match(/Torn write: "00000002\.wal" at byte 1024, 512 bytes\..*Nothing to do/);
    expect(text).to.match(/Left over: "00000001\.wal" no longer counts/);
    expect(text).to.match(/Damage: "00000002\.wal" at byte 512: it is bad\.\n {2}What to do: Mend it\.\n$/);
  });
});
