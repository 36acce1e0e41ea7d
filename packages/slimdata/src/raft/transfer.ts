import { isVoter } from './configuration.ts';
import type { Leading, RaftState } from './raft-state.ts';
import type { MemberName } from './types.ts';

/**
 * `started`: proposals are refused from now on; the outcome shows as a change of leadership, or as nothing
 * after one election timeout, when the transfer is given up.
 * `not_leader`: this member does not lead. `not_a_voter`: `to` cannot lead. `already_leader`: `to` is this member.
 */
export type TransferResult = 'started' | 'not_leader' | 'not_a_voter' | 'already_leader';

/** Leadership transfer (thesis §3.10): stop taking proposals, bring `to` up to date, let it campaign at once. */
export function startTransfer(state: RaftState, to: MemberName): TransferResult {
  const { leading } = state;
  if (leading === null) {
    return 'not_leader';
  }
  if (to === state.member) {
    return 'already_leader';
  }
  if (!isVoter(state.configuration, to)) {
    return 'not_a_voter';
  }
  if (leading.transfer?.to !== to) {
    leading.transfer = { to, ticksLeft: state.options.electionTicks, handedOver: false };
  }
  return 'started';
}

/** Hands over once the target has the whole log; until then ordinary replication goes on. */
export function continueTransfer(state: RaftState, leading: Leading): void {
  const { transfer } = leading;
  if (transfer === null || transfer.handedOver) {
    return;
  }
  if (leading.peers.get(transfer.to)?.match === state.log.lastIndex) {
    transfer.handedOver = true;
    state.outbox.sendNow(transfer.to, { type: 'TimeoutNow', term: state.term });
  }
}

/** Gives up after one election timeout and takes proposals again. The target may still campaign: that is safe. */
export function tickTransfer(leading: Leading): void {
  if (leading.transfer !== null) {
    leading.transfer.ticksLeft -= 1;
    if (leading.transfer.ticksLeft <= 0) {
      leading.transfer = null;
    }
  }
}
