import type { IncomingMessage } from 'node:http';
import { Problem } from './problem.ts';

/**
 * Reads a whole body, by events, because leaving an async iteration early would destroy the socket that the answer
 * needs. @throws Problem `too_large`, and `body_timeout` when the signal fires or the connection ends
 */
export function readRequestBody(
  request: IncomingMessage,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (settle: () => void): void => {
      signal.removeEventListener('abort', onLate);
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      settle();
    };
    const tooLarge = (): void => {
      end(() => reject(new Problem('too_large', `The body is larger than ${bytesMax} bytes.`)));
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes > bytesMax) {
        tooLarge();
      }
    };
    const onEnd = (): void => end(() => resolve(Buffer.concat(chunks)));
    const onClose = (): void =>
      end(() => reject(new Problem('body_timeout', 'The connection ended before the body did.')));
    const onLate = (): void =>
      end(() => reject(new Problem('body_timeout', 'The body did not arrive within the deadline.')));
    signal.addEventListener('abort', onLate, { once: true });
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
    if (Number(request.headers['content-length'] ?? 0) > bytesMax) {
      tooLarge();
    }
  });
}
