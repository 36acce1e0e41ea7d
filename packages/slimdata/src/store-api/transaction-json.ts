import { transactionStepsMax } from '../state-machine/limits.ts';
import type { Check, Transaction, Write } from '../state-machine/transaction.ts';
import { asBytes, asCount, asList, asName, asObject, asOneOf, parseJsonObject } from './json-value.ts';

const CHECKS = ['absent', 'version', 'smaller', 'term', 'empty'] as const;
const WRITES = ['set', 'delete', 'deleteHashset'] as const;

/** The transaction in a body: as in TypeScript, with values in base64. @throws Problem `malformed_request` */
export function parseTransaction(body: Buffer): Transaction {
  const { checks, writes } = parseJsonObject(body);
  return {
    checks: asList('checks', checks, transactionStepsMax).map((each, at) =>
      parseCheck(`checks[${at}]`, each),
    ),
    writes: asList('writes', writes, transactionStepsMax).map((each, at) =>
      parseWrite(`writes[${at}]`, each),
    ),
  };
}

/** The body that carries a transaction. */
export function formatTransaction({ checks, writes }: Transaction): string {
  const encoded = writes.map((each) =>
    each.write === 'set' ? { ...each, value: Buffer.from(each.value).toString('base64') } : each,
  );
  return JSON.stringify({ checks, writes: encoded });
}

function parseCheck(what: string, value: unknown): Check {
  const step = asObject(what, value);
  const check = asOneOf(`${what}.check`, step['check'], CHECKS);
  if (check === 'term') {
    return { check, term: asCount(`${what}.term`, step['term']) };
  }
  const hashset = asName(`${what}.hashset`, step['hashset']);
  const field = () => asName(`${what}.field`, step['field']);
  switch (check) {
    case 'absent':
      return { check, hashset, field: field() };
    case 'version':
      return { check, hashset, field: field(), version: asCount(`${what}.version`, step['version']) };
    case 'smaller':
      return { check, hashset, count: asCount(`${what}.count`, step['count']) };
    case 'empty':
      return { check, hashset };
  }
}

function parseWrite(what: string, value: unknown): Write {
  const step = asObject(what, value);
  const write = asOneOf(`${what}.write`, step['write'], WRITES);
  const hashset = asName(`${what}.hashset`, step['hashset']);
  const field = () => asName(`${what}.field`, step['field']);
  switch (write) {
    case 'set':
      return { write, hashset, field: field(), value: asBytes(`${what}.value`, step['value']) };
    case 'delete':
      return { write, hashset, field: field() };
    case 'deleteHashset':
      return { write, hashset };
  }
}
