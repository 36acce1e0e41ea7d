import type { Check, Transaction, Write } from '../state-machine/transaction.ts';

/** More than a check or write costs in the command format besides its names and value. */
const stepBytes = 32;

/** More than the tuple around them costs. */
const commandBytes = 64;

/** Counted bytes of a transaction: at least its encoded size, without encoding it. */
export function transactionSize(transaction: Transaction): number {
  let bytes = commandBytes;
  for (const check of transaction.checks) bytes += stepBytes + namesSize(check);
  for (const write of transaction.writes) {
    bytes += stepBytes + namesSize(write) + (write.write === 'set' ? write.value.length : 0);
  }
  return bytes;
}

function namesSize(step: Check | Write): number {
  const hashset = 'hashset' in step ? Buffer.byteLength(step.hashset) : 0;
  const field = 'field' in step ? Buffer.byteLength(step.field) : 0;
  return hashset + field;
}
