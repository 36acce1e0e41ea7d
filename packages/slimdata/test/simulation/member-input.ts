import type { MemberName, PersistEffect, RaftMessage } from '../../src/raft/types.ts';

/** What waits in a member's inbox. */
export type MemberInput =
  | { readonly kind: 'tick' }
  | { readonly kind: 'message'; readonly from: MemberName; readonly message: RaftMessage }
  | { readonly kind: 'durable'; readonly batch: PersistEffect }
  | { readonly kind: 'unreachable'; readonly peer: MemberName }
  | { readonly kind: 'propose'; readonly payloads: readonly Uint8Array[] }
  | { readonly kind: 'read'; readonly request: number }
  | { readonly kind: 'transfer'; readonly to: MemberName };
