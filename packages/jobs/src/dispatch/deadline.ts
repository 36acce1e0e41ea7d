import type { Clock } from './clock.ts';

/** The promise's answer, or the error once `deadlineMs` have passed; what it began goes on unwatched then. */
export function withDeadline<T>(
  promise: Promise<T>,
  deadlineMs: number,
  clock: Clock,
  late: () => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(deadlineMs, () => reject(late()));
    promise.finally(cancel).then(resolve, reject);
  });
}
