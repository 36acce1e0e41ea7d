import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { TlsMaterial } from '../../src/peers/certificate.ts';

/** X.509 certificates of a throw-away authority, made where they are used: no tool and no stored file is needed. */
export interface CertificateMaker {
  /** The authority's own certificate. */
  readonly ca: string;
  /** What a member, or tool, of this name shows. `names` is null for a certificate without subjectAltName. */
  issue(commonName: string, names?: readonly string[] | null, validity?: Validity): TlsMaterial;
}

type Validity = readonly [from: string, to: string];

/** Dates as ASN.1 writes them; these hold for as long as the tests will be run. */
const LONG: Validity = ['20000101000000Z', '20991231235959Z'];

const EC_PUBLIC_KEY_SHA256 = '06082a8648ce3d040302';
const COMMON_NAME = '0603550403';
const [BASIC_CONSTRAINTS, KEY_USAGE, ALTERNATIVE_NAME, KEY_ID] = ['13', '0f', '11', '0e'].map(
  (last) => `0603551d${last}`,
);

export function createCertificateMaker(authority = 'Test authority'): CertificateMaker {
  const caKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = { name: authority, key: caKeys.privateKey };
  const ca = certificate(authority, caKeys.publicKey, issuer, LONG, [
    extension(BASIC_CONSTRAINTS, sequence(hex('0101ff')), true),
    extension(KEY_USAGE, hex('03020106'), true),
    extension(KEY_ID, value(0x04, createHash('sha1').update(spki(caKeys.publicKey)).digest())),
  ]);
  return {
    ca,
    issue(commonName, names = [commonName], validity = LONG) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const dnsNames = (names ?? []).map((name) => value(0x82, Buffer.from(name)));
      const cert = certificate(
        commonName,
        publicKey,
        issuer,
        validity,
        names === null ? [] : [extension(ALTERNATIVE_NAME, sequence(...dnsNames))],
      );
      return { ca, cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
    },
  };
}

let serial = 1;

/** RFC 5280, section 4.1. */
function certificate(
  subject: string,
  key: KeyObject,
  issuer: { readonly name: string; readonly key: KeyObject },
  validity: Validity,
  extensions: readonly Buffer[],
): string {
  const algorithm = sequence(hex(EC_PUBLIC_KEY_SHA256));
  const [from, to] = validity.map((date) => value(0x18, Buffer.from(date)));
  serial += 1;
  const body = sequence(
    value(0xa0, hex('020102')),
    value(0x02, Buffer.from([0x40, serial >> 8, serial & 0xff])),
    algorithm,
    distinguishedName(issuer.name),
    sequence(from ?? hex(''), to ?? hex('')),
    distinguishedName(subject),
    spki(key),
    ...(extensions.length === 0 ? [] : [value(0xa3, sequence(...extensions))]),
  );
  const signature = value(0x03, Buffer.concat([hex('00'), sign('sha256', body, issuer.key)]));
  const text = sequence(body, algorithm, signature).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${text.match(/.{1,64}/g)?.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function extension(id: string | undefined, content: Buffer, isCritical = false): Buffer {
  const critical = isCritical ? [hex('0101ff')] : [];
  return sequence(hex(id ?? ''), ...critical, value(0x04, content));
}

function distinguishedName(name: string): Buffer {
  return sequence(value(0x31, sequence(hex(COMMON_NAME), value(0x0c, Buffer.from(name)))));
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return value(0x30, Buffer.concat(parts));
}

/** One DER value: tag, length, content. */
function value(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}
