/** Received bytes do not follow the protocol. The stream they came on must end; nothing of them is used. */
export class MalformedError extends Error {
  readonly code = 'malformed';

  constructor(message: string) {
    super(message);
    this.name = 'MalformedError';
  }
}
