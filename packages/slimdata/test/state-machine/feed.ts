import { type Entry, EntryKind } from '../../src/raft/types.ts';
import { encodeCommand } from '../../src/state-machine/command-codec.ts';
import {
  type Outcome,
  StateMachine,
  type TransactionOutcome,
} from '../../src/state-machine/state-machine.ts';
import type { Check, Transaction, Write } from '../../src/state-machine/transaction.ts';

/** Feeds a state machine with entries, numbering them, and remembers them as a log would. */
export class Feed {
  machine: StateMachine;
  readonly entries: Entry[] = [];
  #sequence = 0;

  constructor(machine = new StateMachine()) {
    this.machine = machine;
    if (machine.appliedIndex === 0) this.open();
  }

  apply(payload: Uint8Array, term = 1, kind: EntryKind = EntryKind.Command): Outcome {
    const entry: Entry = { index: this.machine.appliedIndex + 1, term, kind, payload };
    this.entries.push(entry);
    return this.machine.apply(entry);
  }

  open(member = 'm', nonce = 7): Outcome {
    return this.apply(encodeCommand({ type: 'OpenSession', member, nonce }));
  }

  send(
    transaction: Transaction,
    given: { term?: number; sequence?: number; session?: number; floor?: number } = {},
  ): TransactionOutcome {
    const { term = 1, session = 1, sequence = ++this.#sequence } = given;
    const { floor = sequence } = given;
    const command = { type: 'SessionTransaction', session, sequence, floor, transaction } as const;
    const outcome = this.apply(encodeCommand(command), term);
    if (outcome.type !== 'transaction') throw new Error(`a transaction came back as ${outcome.type}`);
    return outcome;
  }

  run(checks: readonly Check[], writes: readonly Write[], term = 1): TransactionOutcome {
    return this.send({ checks, writes }, { term });
  }
}

export function set(hashset: string, field: string, text = 'v'): Write {
  return { write: 'set', hashset, field, value: Buffer.from(text) };
}

/** All that a reader can see, in the order in which it is seen. */
export function visible(machine: StateMachine): unknown {
  return [...machine.hashsets('')].map((hashset) => [
    hashset,
    [...machine.entries(hashset)].map(([field, { value, createdIndex, version }]) => [
      field,
      Buffer.from(value).toString('latin1'),
      createdIndex,
      version,
    ]),
  ]);
}
