import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A TCP proxy whose links can be made to fail the way networks do. */
export interface FaultProxy extends AsyncDisposable {
  readonly url: string;
  /** Swallows everything in both directions, of links whose first bytes match; TCP stays up. */
  blackhole(isMeant?: (head: string) => boolean): void;
  /** Stops reading from the dialing side of such links, so that its buffers fill. */
  stall(isMeant: (head: string) => boolean): void;
  /** Lets bytes pass towards the target in small pieces only, one per few milliseconds. */
  throttle(bytes: number): void;
  /** From now on bytes pass again, on new links only. */
  heal(): void;
  /** Changes what flows towards the target. */
  alter(change: ((chunk: Buffer) => Buffer) | null): void;
}

interface Link {
  readonly near: Socket;
  readonly far: Socket;
  head: string;
  /** Received and not passed on yet. */
  held: Buffer;
  isSilent: boolean;
}

export async function openFaultProxy(targetPort: () => number): Promise<FaultProxy> {
  const links = new Set<Link>();
  let change: ((chunk: Buffer) => Buffer) | null = null;
  let pieceBytes = Number.POSITIVE_INFINITY;
  const dripping = setInterval(() => {
    for (const link of links) {
      drip(link);
    }
  }, 2);
  const drip = (link: Link) => {
    if (link.held.length > 0 && !link.isSilent) {
      link.far.write(link.held.subarray(0, pieceBytes));
      link.held = link.held.subarray(pieceBytes);
    }
  };
  const server = createServer((near) => {
    const far = connect(targetPort(), '127.0.0.1');
    const link: Link = { near, far, head: '', held: Buffer.alloc(0), isSilent: false };
    links.add(link);
    near.on('data', (chunk) => {
      link.head += link.head.length < 1000 ? chunk.toString('latin1') : '';
      link.held = Buffer.concat([link.held, change === null ? chunk : change(chunk)]);
      if (pieceBytes === Number.POSITIVE_INFINITY) {
        drip(link);
      }
    });
    far.on('data', (chunk) => {
      if (!link.isSilent) {
        near.write(chunk);
      }
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => one.destroy());
      one.on('close', () => {
        links.delete(link);
        if (!link.isSilent) {
          other.destroy();
        }
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    blackhole(isMeant = () => true) {
      for (const link of links) {
        link.isSilent ||= isMeant(link.head);
      }
    },
    stall(isMeant) {
      for (const link of links) {
        if (isMeant(link.head)) {
          link.near.pause();
        }
      }
    },
    throttle(bytes) {
      pieceBytes = bytes;
    },
    heal() {
      pieceBytes = Number.POSITIVE_INFINITY;
      change = null;
    },
    alter(next) {
      change = next;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(dripping);
      for (const { near, far } of links) {
        near.destroy();
        far.destroy();
      }
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
