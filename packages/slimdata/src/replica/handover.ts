import type { MemberName } from '../raft/types.ts';
import type { Replica } from './replica.ts';
import type { ReplicaStore } from './replica-store.ts';

/** Resolves when it is time to give up; rejects when its signal fires before. */
export type Patience = (signal: AbortSignal) => Promise<void>;

/**
 * The orderly end of a member's work: new requests are refused, those under way may finish, and leadership goes to
 * the peer heard last (which the core brings up to date first), or to the next. No step outlasts `patience`.
 */
export async function handOver(replica: Replica, store: ReplicaStore, patience: Patience): Promise<void> {
  await patiently(patience, () => store.drain());
  const tried = new Set<MemberName>();
  while (replica.leadership.role === 'leader') {
    const peer = replica.peersHeard.find((name) => !tried.has(name));
    if (peer === undefined) return;
    tried.add(peer);
    await patiently(patience, (signal) => {
      const left = leadershipLeft(store, signal);
      return replica.transferLeadership(peer) ? left : Promise.resolve();
    });
  }
}

/** Resolves when another member leads. */
function leadershipLeft(store: ReplicaStore, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = store.onLeadership(({ role, leader }) => {
      if (role !== 'leader' && leader !== null) resolve();
    });
    signal.addEventListener('abort', end, { once: true });
  });
}

/** Waits for `step`, but not for longer than `patience`; then its signal fires. */
async function patiently(patience: Patience, step: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([step(over.signal), patience(over.signal)]);
  } finally {
    over.abort();
  }
}
