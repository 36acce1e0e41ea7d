import type { ServerResponse } from 'node:http';

/** Answers with a problem (RFC 9457) and ends the connection, whatever of the request is still to come. */
export function answerProblem(
  response: ServerResponse,
  problem: { readonly status: number; readonly title: string; readonly detail: string },
): void {
  const body = JSON.stringify(problem);
  response.writeHead(problem.status, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  response.end(body);
}
