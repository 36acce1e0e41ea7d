import type { X509Certificate } from 'node:crypto';
import { X509Certificate as Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** What a member shows and believes over TLS, all PEM. Every member has a certificate in its own name. */
export interface TlsMaterial {
  /** This member's certificate, followed by those between it and the authority. */
  readonly cert: string;
  readonly key: string;
  /** The authorities that may sign for members and for tools; no others are believed, also not the system's. */
  readonly ca: string;
}

/** No older version of TLS is spoken. */
export const TLS_VERSION_MIN = 'TLSv1.2';

/**
 * True when the certificate names the member: as a DNS name of its subjectAltName or, when it has none, as the
 * common name. A wildcard names nobody in particular.
 */
export function isCertificateOf(certificate: X509Certificate | undefined, member: string): boolean {
  return certificate?.checkHost(member, { subject: 'default', wildcards: false }) !== undefined;
}

/** The same for what `tls.connect` hands over: the error that refuses the connection, or undefined. */
export function checkMemberCertificate(member: string, raw: Buffer): Error | undefined {
  const certificate = new Certificate(raw);
  return isCertificateOf(certificate, member)
    ? undefined
    : new Error(`the certificate is for ${namesOf(certificate)}, not for member "${member}"`);
}

/** In words, for messages. */
export function namesOf(certificate: X509Certificate): string {
  const names = certificate.subjectAltName ?? certificate.subject ?? 'nobody';
  return `"${names.replaceAll('\n', ', ').slice(0, 300)}"`;
}

/** The verified certificate of whoever opened this connection; undefined without TLS, or when there is none. */
export function certificateOf(socket: Socket): X509Certificate | undefined {
  return socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
}
