/** The part of pino that this package uses: facts first, then a stable event name in snake_case. */
export interface Logger {
  info(facts: object, event: string): void;
  warn(facts: object, event: string): void;
  error(facts: object, event: string): void;
}
