import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { Packr } from 'msgpackr';
import type { Command } from '../../src/state-machine/command.ts';
import { encodeCommand, parseCommand } from '../../src/state-machine/command-codec.ts';
import { commandBytesMax, nameLengthMax, transactionStepsMax } from '../../src/state-machine/limits.ts';
import type { Check, Write } from '../../src/state-machine/transaction.ts';

const packr = new Packr({ useRecords: false });
const name = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });
const natural = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const value = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));

const check: fc.Arbitrary<Check> = fc.oneof(
  fc.record({ check: fc.constant('absent' as const), hashset: name, field: name }),
  fc.record({ check: fc.constant('version' as const), hashset: name, field: name, version: natural }),
  fc.record({ check: fc.constant('smaller' as const), hashset: name, count: natural }),
  fc.record({ check: fc.constant('term' as const), term: natural }),
  fc.record({ check: fc.constant('empty' as const), hashset: name }),
);

const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ write: fc.constant('set' as const), hashset: name, field: name, value }),
  fc.record({ write: fc.constant('delete' as const), hashset: name, field: name }),
  fc.record({ write: fc.constant('deleteHashset' as const), hashset: name }),
);

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ type: fc.constant('OpenSession' as const), member: name, nonce: natural }),
  fc.record({
    type: fc.constant('SessionTransaction' as const),
    session: natural,
    sequence: natural,
    floor: natural,
    transaction: fc.record({ checks: fc.array(check), writes: fc.array(write) }),
  }),
);

const transaction = (checks: unknown, writes: unknown): Uint8Array =>
  packr.pack([1, 1, 1, 1, 0, checks, writes]);

describe('command codec', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(command, (original) => {
        expect(parseCommand(encodeCommand(original))).to.deep.equal(original);
      }),
    );
  });

  it('encodes to a buffer that later commands do not overwrite', () => {
    const payloads = Array.from({ length: 1_000 }, (_, nonce) =>
      encodeCommand({ type: 'OpenSession', member: 'm', nonce }),
    );
    for (const [nonce, payload] of payloads.entries()) {
      expect(parseCommand(payload)).to.deep.equal({ type: 'OpenSession', member: 'm', nonce });
    }
  });

  it('gives values as views into the payload', () => {
    const writes: Write[] = [{ write: 'set', hashset: 'h', field: 'f', value: Buffer.from('v') }];
    const payload = encodeCommand({
      type: 'SessionTransaction',
      session: 1,
      sequence: 1,
      floor: 0,
      transaction: { checks: [], writes },
    });
    const parsed = parseCommand(payload);
    const write = parsed?.type === 'SessionTransaction' ? parsed.transaction.writes[0] : undefined;
    expect(write?.write === 'set' && write.value.buffer === payload.buffer).to.equal(true);
  });

  it('rejects any bytes without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const parsed = parseCommand(bytes);
        expect(parsed === null || typeof parsed.type === 'string').to.equal(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('rejects or reads the same way twice whatever single byte is changed', () => {
    fc.assert(
      fc.property(command, fc.nat(), fc.integer({ min: 1, max: 255 }), (original, at, change) => {
        const bytes = Buffer.from(encodeCommand(original));
        const position = at % bytes.length;
        bytes[position] = (bytes[position] ?? 0) ^ change;
        expect(parseCommand(bytes)).to.deep.equal(parseCommand(Buffer.from(bytes)));
      }),
      { numRuns: 500 },
    );
  });

  it('rejects a command cut at any byte', () => {
    const bytes = encodeCommand({
      type: 'SessionTransaction',
      session: 300,
      sequence: 70_000,
      floor: 2 ** 40,
      transaction: {
        checks: [{ check: 'absent', hashset: 'Queue:a', field: '1' }],
        writes: [{ write: 'set', hashset: 'Queue:a', field: '1', value: Buffer.alloc(100) }],
      },
    });
    for (let end = 0; end < bytes.length; end++) expect(parseCommand(bytes.subarray(0, end))).to.equal(null);
  });

  const malformed: readonly [what: string, payload: Uint8Array][] = [
    ['nothing', Buffer.alloc(0)],
    ['no array', packr.pack({ version: 1 })],
    ['another version', packr.pack([2, 0, 'm', 1])],
    ['an unknown command', packr.pack([1, 7, 'm', 1])],
    ['an opening with too much', packr.pack([1, 0, 'm', 1, 1])],
    ['an opening without a name', packr.pack([1, 0, '', 1])],
    ['a negative nonce', packr.pack([1, 0, 'm', -1])],
    ['a fraction for a sequence', packr.pack([1, 1, 1, 1.5, 0, [], []])],
    ['a big integer for a session', packr.pack([1, 1, 2n ** 63n, 1, 0, [], []])],
    ['no list of checks', transaction('checks', [])],
    ['an unknown check', transaction([[9, 'h']], [])],
    ['a check that is no tuple', transaction([1], [])],
    ['a check with too little', transaction([[1, 'h', 'f']], [])],
    ['a check with too much', transaction([[4, 'h', 'f']], [])],
    ['a term that is text', transaction([[3, 'now']], [])],
    ['an unknown write', transaction([], [[9, 'h']])],
    ['a value that is text', transaction([], [[0, 'h', 'f', 'v']])],
    ['a write without a value', transaction([], [[0, 'h', 'f']])],
    ['a name that is too long', transaction([], [[2, 'x'.repeat(nameLengthMax + 1)]])],
    ['too many writes', transaction([], new Array(transactionStepsMax + 1).fill([2, 'h']))],
    ['too many bytes', transaction([], [[0, 'h', 'f', Buffer.alloc(commandBytesMax)]])],
    ['arrays nested without end', Buffer.alloc(commandBytesMax, 0x91)],
    ['a list that claims four billion items', Buffer.from([0x97, 1, 1, 1, 1, 0, 0xdd, 255, 255, 255, 255])],
  ];

  for (const [what, payload] of malformed) {
    it(`rejects ${what}`, () => {
      expect(parseCommand(payload)).to.equal(null);
    });
  }
});
