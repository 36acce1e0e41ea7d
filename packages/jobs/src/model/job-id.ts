import type { RandomBytes } from './job-name.ts';

/** A new id: 128 random bits but six, written as a version 4 UUID (RFC 9562). Safe in URLs, labels and file names. */
export function createJobId(random: RandomBytes): string {
  const bytes = Uint8Array.from(random(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Whether a text could be an id that this system gave out; ids from a URL are asked before they are looked up. */
export function isJobId(text: string): boolean {
  return /^[A-Za-z0-9][-\w]{0,62}$/.test(text);
}
