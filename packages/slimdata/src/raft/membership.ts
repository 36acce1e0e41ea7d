import { enterJoint, isJoint, isVoter, leaveJoint, type MemberChange, membersOf } from './configuration.ts';
import { encodeConfiguration } from './configuration-codec.ts';
import { Progress } from './progress.ts';
import { entryBytes } from './raft-log.ts';
import type { Leading, RaftState } from './raft-state.ts';
import { type Configuration, EntryKind, type MemberName } from './types.ts';

/*
 * Change of membership by joint consensus (paper §6, thesis §4.3), whatever the size of the change:
 *
 *   C_old --> C_old,new appended: in force at once, needs both majorities
 *         --> committed: the leader, or whoever leads then, appends C_new: in force at once
 *         --> committed: done; a leader that is no voter of C_new hands over and steps down
 */

/**
 * `accepted`: the joint configuration is in the log at `index` and in force. Like any entry it can still be lost
 * with the leadership; the change is complete when a configuration that is not joint is committed.
 * `not_leader`: this member does not lead, or is handing its leadership over.
 * `not_ready`: this leader has not committed an entry of its own term yet; ask again shortly.
 * `change_in_progress`: an earlier change is not complete.
 * `unchanged`: the configuration already is as asked.
 * `invalid`: the rules forbid the change, for the reason given.
 */
export type MembershipChangeResult =
  | { readonly result: 'accepted'; readonly index: number }
  | { readonly result: 'not_leader' | 'not_ready' | 'change_in_progress' | 'unchanged' }
  | { readonly result: 'invalid'; readonly reason: string };

/** Begins a change; all of `changes` take effect together. */
export function changeMembership(state: RaftState, changes: readonly MemberChange[]): MembershipChangeResult {
  const { leading, log, configuration } = state;
  if (leading === null || leading.transfer !== null) {
    return { result: 'not_leader' };
  }
  if (log.commitIndex < leading.firstIndex) {
    // Until then a change of an earlier leader, of which this one knows nothing, may be committed elsewhere, and
    // its majorities need not meet those of a change begun here (Ongaro, raft-dev, 10 July 2015).
    return { result: 'not_ready' };
  }
  if (isJoint(configuration) || log.configurations.latestIndex > log.commitIndex) {
    return { result: 'change_in_progress' };
  }
  if (!isVoter(configuration, state.member)) {
    // About to step down; no change may be begun by a leader whose successor is being sought.
    return { result: 'not_leader' };
  }
  const membership = { configuration, nextIndex: nextIndexes(state, leading) };
  const changed = enterJoint(membership, true, changes, log.lastIndex + 1);
  if ('refused' in changed) {
    return { result: 'invalid', reason: changed.refused };
  }
  const joint = changed.membership.configuration;
  if (changesNothing(joint, configuration)) {
    return { result: 'unchanged' };
  }
  return { result: 'accepted', index: appendConfiguration(state, leading, joint) };
}

/** Goes on with a change, this leader's or an earlier one's, as far as what is committed allows. */
export function continueMembershipChange(state: RaftState, leading: Leading): void {
  const { configuration, log } = state;
  if (log.commitIndex < Math.max(log.configurations.latestIndex, leading.firstIndex)) {
    return;
  }
  if (configuration.autoLeave) {
    const left = leaveJoint({ configuration, nextIndex: nextIndexes(state, leading) });
    if ('membership' in left) {
      appendConfiguration(state, leading, left.membership.configuration);
    }
  } else if (!isVoter(configuration, state.member) && !leading.retiring) {
    retire(state, leading);
  }
}

/** The change that makes this leader no voter is committed: it hands over to the most advanced voter, then goes. */
function retire(state: RaftState, leading: Leading): void {
  leading.retiring = true;
  const matchOf = (peer: MemberName) => leading.peers.get(peer)?.match ?? 0;
  const [to] = [...state.configuration.voters].sort((a, b) => matchOf(b) - matchOf(a));
  if (to !== undefined && leading.transfer === null) {
    leading.transfer = { to, ticksLeft: state.options.electionTicks, handedOver: false };
  }
}

/** Puts `configuration` into the log and with that into force. */
function appendConfiguration(state: RaftState, leading: Leading, configuration: Configuration): number {
  const { log, term } = state;
  const payload = encodeConfiguration(configuration);
  const entry = { index: log.lastIndex + 1, term, kind: EntryKind.Configuration, payload };
  // Not held back by the bound on uncommitted bytes: it is small, and leaving a joint configuration must not fail.
  leading.uncommittedBytes += entryBytes(entry);
  log.append([entry]);
  followConfiguration(state, leading, entry.index);
  return entry.index;
}

/** Replicates to the members of the configuration in force and to nobody else. */
function followConfiguration(state: RaftState, leading: Leading, nextIndex: number): void {
  const { configuration, member, options } = state;
  const others = new Set(membersOf(configuration));
  others.delete(member);
  for (const peer of others) {
    if (!leading.peers.has(peer)) {
      const progress = new Progress(nextIndex, options);
      // It had no chance to answer yet; check-quorum must not hold that against this leader.
      progress.recentlyActive = true;
      leading.peers.set(peer, progress);
    }
  }
  for (const peer of leading.peers.keys()) {
    if (!others.has(peer)) {
      leading.peers.delete(peer);
    }
  }
  if (leading.transfer !== null && !isVoter(configuration, leading.transfer.to)) {
    leading.transfer = null;
  }
}

function nextIndexes(state: RaftState, leading: Leading): Map<MemberName, number> {
  const next = new Map([...leading.peers].map(([peer, progress]) => [peer, progress.next]));
  return next.set(state.member, state.log.lastIndex + 1);
}

/** True if both halves of `joint` would be the same, and nobody became or ceased to be a learner. */
function changesNothing(joint: Configuration, before: Configuration): boolean {
  return areEqual(joint.voters, before.voters) && areEqual(joint.learners, before.learners);
}

function areEqual(a: ReadonlySet<MemberName>, b: ReadonlySet<MemberName>): boolean {
  return a.size === b.size && [...a].every((name) => b.has(name));
}
