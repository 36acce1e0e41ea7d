/** Bounds of the store API. */
export interface StoreApiLimits {
  /** Requests being answered, without watches; one more is refused. */
  readonly requestsMax: number;
  readonly watchersMax: number;
  /** A transaction of the largest size, as JSON with base64. */
  readonly bodyBytesMax: number;
  /** Of a request that names none, and the longest that one may name. */
  readonly deadlineMs: number;
  readonly deadlineMsMax: number;
  /** Fields named by a read, or listed on one page. */
  readonly fieldsMax: number;
  /** A page of a listing ends after so many bytes of values. */
  readonly pageBytesMax: number;
  /** Values of named fields beyond this are refused: they are one answer. */
  readonly namedBytesMax: number;
  /** Changes kept for watchers that begin later, or lag. */
  readonly ringChangesMax: number;
  /** Their names, counted in UTF-16 code units, and a little for each. */
  readonly ringBytesMax: number;
  /** Every so many milliseconds each watcher learns how far it is, also when nothing changes. */
  readonly progressIntervalMs: number;
  /** A watcher that takes nothing during so many of these is cut. */
  readonly stalledChecksMax: number;
  /** A signed request is good for this long before and after its time by this member's clock. */
  readonly clockWindowMs: number;
  /** Signed requests remembered, so that none is taken twice; beyond it all are refused until some expire. */
  readonly noncesMax: number;
}

export const storeApiLimits: StoreApiLimits = {
  requestsMax: 64,
  watchersMax: 64,
  bodyBytesMax: 2 * 1024 * 1024,
  deadlineMs: 10_000,
  deadlineMsMax: 60_000,
  fieldsMax: 1000,
  pageBytesMax: 1024 * 1024,
  namedBytesMax: 8 * 1024 * 1024,
  ringChangesMax: 65_536,
  ringBytesMax: 16 * 1024 * 1024,
  progressIntervalMs: 1000,
  stalledChecksMax: 30,
  clockWindowMs: 30_000,
  noncesMax: 200_000,
};
