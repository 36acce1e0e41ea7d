import type { Fault } from './fault.ts';

/**
 * Why a well-formed request is not admitted.
 * - `image_not_allowed`: the image is neither the configured one nor on the whitelist.
 * - `resources_exceed_limits`: more is asked than the definition allows, or a request is above its limit.
 * - `reference_not_allowed`: a secret, config map or field that the definition does not hold or allow.
 * - `dependency_not_allowed`: an external caller names a dependency that the definition does not hold or allow.
 * - `unknown_job`: no definition has this name, and `Default` and the request do not say what to run either.
 * - `image_missing`, `command_missing`: the definition exists but does not say what to run on this orchestrator.
 */
export type RefusalCode =
  | 'image_not_allowed'
  | 'resources_exceed_limits'
  | 'reference_not_allowed'
  | 'dependency_not_allowed'
  | 'unknown_job'
  | 'image_missing'
  | 'command_missing';

export type Refusal = Fault<RefusalCode>;
