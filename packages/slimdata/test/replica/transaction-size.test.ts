import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { replicaLimits } from '../../src/replica/ports.ts';
import { transactionSize } from '../../src/replica/transaction-size.ts';
import { encodeCommand } from '../../src/state-machine/command-codec.ts';
import { commandBytesMax } from '../../src/state-machine/limits.ts';
import type { Check, Write } from '../../src/state-machine/transaction.ts';

const name = fc.string({ minLength: 1, maxLength: 400, unit: 'grapheme' });
const number = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const check: fc.Arbitrary<Check> = fc.oneof(
  fc.record({ check: fc.constant('version' as const), hashset: name, field: name, version: number }),
  fc.record({ check: fc.constant('smaller' as const), hashset: name, count: number }),
  fc.record({ check: fc.constant('term' as const), term: number }),
);
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({
    write: fc.constant('set' as const),
    hashset: name,
    field: name,
    value: fc.uint8Array({ maxLength: 70_000 }),
  }),
  fc.record({ write: fc.constant('deleteHashset' as const), hashset: name }),
);

describe('transaction size', () => {
  it('never counts less than the command takes', () => {
    const transaction = fc.record({ checks: fc.array(check), writes: fc.array(write, { maxLength: 5 }) });
    fc.assert(
      fc.property(transaction, number, (transaction, n) => {
        const command = {
          type: 'SessionTransaction',
          session: n,
          sequence: n,
          floor: n,
          transaction,
        } as const;
        expect(transactionSize(transaction)).to.be.at.least(encodeCommand(command).length);
      }),
      { numRuns: 200 },
    );
  });

  it('lets nothing through that members would reject when it is in the log', () => {
    expect(replicaLimits.transactionBytesMax).to.be.at.most(commandBytesMax);
  });
});
