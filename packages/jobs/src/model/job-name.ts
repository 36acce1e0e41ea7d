import { failed, type Parsed, quote } from './fault.ts';

/** Random bytes, as `crypto.randomBytes` gives them. */
export type RandomBytes = (size: number) => Uint8Array;

const nameLengthMin = 3;
const nameLengthMax = 30;

/** A job name, lower-cased: 3 to 30 of a-z, 0-9, `_` and `-`. Fault `invalid_name`. */
export function parseJobName(text: string): Parsed<string> {
  const name = text.toLowerCase();
  if (/^[a-z0-9_-]+$/.test(name) && name.length >= nameLengthMin && name.length <= nameLengthMax) {
    return { ok: true, value: name };
  }
  const rule = `a job name has ${nameLengthMin} to ${nameLengthMax} characters of a-z, 0-9, "_" and "-"`;
  return failed([{ code: 'invalid_name', path: '', message: `${quote(text)} is not a job name: ${rule}.` }]);
}

/**
 * The job name as platforms take it (DNS label, RFC 1123): `_` becomes `-`, and none is left at either end. Two job
 * names may share a platform name; what tells their runs apart is the label with the job name.
 */
export function platformName(name: string): string {
  return name.replaceAll('_', '-').replaceAll(/^-+|-+$/g, '') || 'job';
}

const suffixLength = 8;

/** Name of a run: `<platform name>-slimfaas-job-<8 of [0-9a-z]>`; at most 52 characters, so a label as well. */
export function createRunName(name: string, random: RandomBytes): string {
  let number = 0n;
  for (const byte of random(16)) number = number * 256n + BigInt(byte);
  const suffix = (number % 36n ** BigInt(suffixLength)).toString(36).padStart(suffixLength, '0');
  return `${platformName(name)}-slimfaas-job-${suffix}`;
}
