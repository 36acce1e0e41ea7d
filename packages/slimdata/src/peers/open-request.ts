import { type ClientRequest, request as httpRequest, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { checkMemberCertificate, TLS_VERSION_MIN, type TlsMaterial } from './certificate.ts';

/** TCP asks a silent peer whether it is still there after this time. */
const KEEP_ALIVE_DELAY_MS = 5000;

const PORT_DEFAULT = { 'http:': 80, 'https:': 443 } as const;

export interface RequestTarget {
  readonly peer: string;
  readonly url: URL;
  /** Null = plain TCP. Otherwise the peer's certificate must be valid and in its name. */
  readonly tls: TlsMaterial | null;
}

/** Opens a POST to a peer on a connection of its own. */
export function openRequest(target: RequestTarget, headers: OutgoingHttpHeaders): ClientRequest {
  const { url, tls } = target;
  const options = {
    method: 'POST',
    path: url.pathname,
    host: url.hostname,
    port: portOf(target),
    headers,
    createConnection: () => openSocket(target),
  };
  return tls === null ? httpRequest(options) : httpsRequest(options);
}

function openSocket(target: RequestTarget): Socket {
  const { url, tls, peer } = target;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = portOf(target);
  const socket =
    tls === null
      ? connect({ host, port })
      : connectTls({
          host,
          port,
          ...tls,
          ...(isIP(host) === 0 ? { servername: host } : {}),
          minVersion: TLS_VERSION_MIN,
          checkServerIdentity: (_, certificate) => checkMemberCertificate(peer, certificate.raw),
        });
  return socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
}

function portOf({ url, tls }: RequestTarget): number {
  return Number(url.port || PORT_DEFAULT[tls === null ? 'http:' : 'https:']);
}
