import type { IncomingMessage } from 'node:http';
import type { Clock } from '../dispatch/clock.ts';
import { Problem } from '../errors.ts';

/** Largest request body. */
const bodyBytesMax = 1024 * 1024;
/** What is read and thrown away of a body that is too large, so that its sender lives to see the answer. */
const discardedBytesMax = 4 * 1024 * 1024;
const bodyDeadlineMs = 10_000;

/** Reads a whole body, whatever its `Content-Type`. @throws Problem `too_large`, `body_timeout`, `unsupported_encoding` */
export async function readRequestBody(request: IncomingMessage, clock: Clock): Promise<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    throw new Problem('unsupported_encoding', `Content-Encoding "${encoding}" is not read; send plain JSON.`);
  }
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > bodyBytesMax + discardedBytesMax) throw tooLarge();
  return collect(request, clock);
}

/** By events, because leaving an async iteration early would destroy the socket that the answer needs. */
function collect(request: IncomingMessage, clock: Clock): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (settle: () => void): void => {
      cancel();
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      settle();
    };
    const cancel = clock.after(bodyDeadlineMs, () => {
      const message = `The body did not arrive within ${bodyDeadlineMs / 1000} s.`;
      end(() => reject(new Problem('body_timeout', message)));
    });
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes <= bodyBytesMax) chunks.push(chunk);
      else chunks.length = 0;
      if (bytes > bodyBytesMax + discardedBytesMax) end(() => reject(tooLarge()));
    };
    const onEnd = (): void =>
      end(() => (bytes > bodyBytesMax ? reject(tooLarge()) : resolve(Buffer.concat(chunks))));
    const onClose = (): void =>
      end(() => reject(new Problem('body_timeout', 'The connection ended before the body did.')));
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

function tooLarge(): Problem {
  return new Problem('too_large', `The body is larger than ${bodyBytesMax} bytes.`);
}
