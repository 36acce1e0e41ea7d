import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { TLS_VERSION_MIN, type TlsMaterial } from './certificate.ts';
import type { TransportLimits } from './limits.ts';

const HEAD_BYTES_MAX = 8192;
const HEAD_CHECK_INTERVAL_MS = 1000;

export interface PortOptions {
  readonly host: string;
  readonly port: number;
  /** Null = plain HTTP. Otherwise every client must show a certificate of a known authority. */
  readonly tls: TlsMaterial | null;
  readonly limits: TransportLimits;
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  /** A client without the certificate asked for, or that does not speak TLS as it should. */
  readonly onUntrusted: (remote: string | undefined, reason: string) => void;
  readonly onFailed: (error: Error) => void;
}

/** A bound HTTP or HTTPS port. */
export class Port {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  constructor(options: PortOptions) {
    const { tls, limits, onRequest, onUntrusted } = options;
    const http: ServerOptions = {
      // A stream is one request that never ends: only its head has a time limit.
      requestTimeout: 0,
      headersTimeout: limits.headTimeoutMs,
      connectionsCheckingInterval: Math.min(HEAD_CHECK_INTERVAL_MS, limits.headTimeoutMs),
      maxHeaderSize: HEAD_BYTES_MAX,
      noDelay: true,
      keepAlive: true,
    };
    this.server =
      tls === null
        ? createHttpServer(http, onRequest)
        : createHttpsServer({ ...http, ...tls, ...strictTls(limits) }, onRequest);
    this.server.maxConnections = limits.connectionsMax;
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    this.server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      // A certificate of an unknown authority shows here only; the error then tells of a broken connection.
      const reason = (socket.authorizationError as unknown as string | null) ?? error.code ?? error.message;
      onUntrusted(socket.remoteAddress, reason);
    });
  }

  /** As bound. */
  get number(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** @throws the system's error when the port cannot be bound. */
  async listen({ host, port, onFailed }: PortOptions): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ port, host }, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
    this.server.on('error', onFailed);
  }

  /** Ends every connection, also those whose handshake is still under way. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) {
      socket.destroy();
    }
    await closed;
  }
}

/** Binds a port. @throws the system's error (`EADDRINUSE`, ...), or OpenSSL's when the certificate is of no use. */
export async function openPort(options: PortOptions): Promise<Port> {
  const port = new Port(options);
  await port.listen(options);
  return port;
}

function strictTls({ headTimeoutMs }: TransportLimits) {
  return {
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: TLS_VERSION_MIN,
    handshakeTimeout: headTimeoutMs,
  } as const;
}
