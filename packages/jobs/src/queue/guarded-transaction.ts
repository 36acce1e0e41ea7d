import { type Check, type RequestOptions, type Store, StoreError, type Write } from '@slimfaas/slimdata';

/** A check, and the word for what it means when it fails. */
export type Guard<R extends string> = readonly [refusal: R, check: Check];

/** Proposes one transaction; answers `applied` or the word of the first guard that failed. @throws StoreError */
export async function guardedTransaction<R extends string>(
  store: Store,
  guards: readonly Guard<R>[],
  writes: readonly Write[],
  options?: RequestOptions,
): Promise<'applied' | R> {
  const checks = guards.map(([, check]) => check);
  const result = await store.transact({ checks, writes }, options);
  if (result.applied) return 'applied';
  const guard = guards[result.failedCheck];
  if (guard === undefined) throw new StoreError('unavailable', `check ${result.failedCheck} was never asked`);
  return guard[0];
}
