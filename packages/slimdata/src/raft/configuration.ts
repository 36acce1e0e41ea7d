import assert from 'node:assert/strict';
import type { Configuration, MemberName } from './types.ts';

/** A configuration with, for each of its members, the index of the first entry to offer it. */
export interface Membership {
  readonly configuration: Configuration;
  readonly nextIndex: ReadonlyMap<MemberName, number>;
}

/** `update` changes nothing here; it carries facts about a member that are kept elsewhere. */
export interface MemberChange {
  readonly type: 'addVoter' | 'addLearner' | 'remove' | 'update';
  /** The empty name is ignored: a change that was voided after it had been proposed. */
  readonly member: MemberName;
}

/** A change that the rules forbid is an expected answer, not an error. */
export type MembershipResult = { readonly membership: Membership } | { readonly refused: string };

/** The working copy of one change. */
interface Draft {
  readonly voters: Set<MemberName>;
  readonly outgoing: Set<MemberName>;
  readonly learners: Set<MemberName>;
  readonly learnersNext: Set<MemberName>;
  readonly nextIndex: Map<MemberName, number>;
}

/** A configuration of voters only, as a cluster is first started with. */
export function createConfiguration(voters: Iterable<MemberName>): Configuration {
  return {
    voters: new Set(voters),
    outgoing: new Set(),
    learners: new Set(),
    learnersNext: new Set(),
    autoLeave: false,
  };
}

/** True for a voter of either half: it may campaign and its vote counts. */
export function isVoter(configuration: Configuration, member: MemberName): boolean {
  return configuration.voters.has(member) || configuration.outgoing.has(member);
}

/** True while decisions need two majorities. */
export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.size > 0;
}

/** Everyone whom the leader replicates to, itself included; each once. */
export function membersOf(configuration: Configuration): MemberName[] {
  const { voters, outgoing, learners } = configuration;
  return [...new Set([...voters, ...outgoing, ...learners])];
}

/**
 * A change of at most one voter (thesis §4.1: old and new majorities then overlap). Learners may change freely.
 * @param newMemberNext where replication to a member that was unknown so far begins.
 */
export function simple(
  membership: Membership,
  changes: readonly MemberChange[],
  newMemberNext: number,
): MembershipResult {
  const { configuration } = membership;
  if (configuration.outgoing.size > 0) {
    return { refused: "can't apply simple config change in joint config" };
  }
  const draft = draftOf(membership, new Set());
  applyChanges(draft, changes, newMemberNext);
  if (draft.voters.size === 0) {
    return { refused: 'removed all voters' };
  }
  if (countDifferent(configuration.voters, draft.voters) > 1) {
    return { refused: 'more than one voter changed without entering joint config' };
  }
  return sealed(draft, false);
}

/** Begins joint consensus (paper §6): today's voters become `outgoing`, `changes` apply to `voters`. */
export function enterJoint(
  membership: Membership,
  autoLeave: boolean,
  changes: readonly MemberChange[],
  newMemberNext: number,
): MembershipResult {
  const { configuration } = membership;
  if (configuration.outgoing.size > 0) {
    return { refused: 'config is already joint' };
  }
  if (configuration.voters.size === 0) {
    // Nothing could ever be committed under it.
    return { refused: "can't make a zero-voter config joint" };
  }
  const draft = draftOf(membership, new Set(configuration.voters));
  applyChanges(draft, changes, newMemberNext);
  if (draft.voters.size === 0) {
    return { refused: 'removed all voters' };
  }
  return sealed(draft, autoLeave);
}

/** Ends joint consensus: `outgoing` is dropped, `learnersNext` become learners with their progress kept. */
export function leaveJoint(membership: Membership): MembershipResult {
  const { outgoing } = membership.configuration;
  if (outgoing.size === 0) {
    return { refused: "can't leave a non-joint config" };
  }
  const draft = draftOf(membership, new Set());
  for (const member of draft.learnersNext) {
    draft.learners.add(member);
  }
  draft.learnersNext.clear();
  for (const member of outgoing) {
    if (!draft.voters.has(member) && !draft.learners.has(member)) {
      draft.nextIndex.delete(member);
    }
  }
  return sealed(draft, false);
}

function draftOf({ configuration, nextIndex }: Membership, outgoing: Set<MemberName>): Draft {
  return {
    voters: new Set(configuration.voters),
    outgoing,
    learners: new Set(configuration.learners),
    learnersNext: new Set(configuration.learnersNext),
    nextIndex: new Map(nextIndex),
  };
}

function applyChanges(draft: Draft, changes: readonly MemberChange[], newMemberNext: number): void {
  for (const { type, member } of changes) {
    if (member === '' || type === 'update') {
      continue;
    }
    if (type === 'remove') {
      remove(draft, member);
    } else if (!draft.nextIndex.has(member)) {
      draft.nextIndex.set(member, newMemberNext);
      (type === 'addVoter' ? draft.voters : draft.learners).add(member);
    } else if (type === 'addVoter') {
      draft.learners.delete(member);
      draft.learnersNext.delete(member);
      draft.voters.add(member);
    } else {
      demote(draft, member);
    }
  }
}

/** Makes a known member a learner; its progress is kept, so that it is not sent again what it has. */
function demote(draft: Draft, member: MemberName): void {
  const next = draft.nextIndex.get(member);
  assert(next !== undefined, `demoting "${member}", which is not a member`);
  remove(draft, member);
  draft.nextIndex.set(member, next);
  // Still a voter of the outgoing half: it cannot be both, so it waits until the joint configuration is left.
  (draft.outgoing.has(member) ? draft.learnersNext : draft.learners).add(member);
}

function remove(draft: Draft, member: MemberName): void {
  draft.voters.delete(member);
  draft.learners.delete(member);
  draft.learnersNext.delete(member);
  // A voter of the outgoing half is needed for its quorums, so replication to it goes on.
  if (!draft.outgoing.has(member)) {
    draft.nextIndex.delete(member);
  }
}

function sealed(draft: Draft, autoLeave: boolean): MembershipResult {
  const { nextIndex, ...sets } = draft;
  const configuration: Configuration = { ...sets, autoLeave };
  checkInvariants(configuration, nextIndex);
  return { membership: { configuration, nextIndex } };
}

/** Ends the process for a configuration that no sequence of changes leads to. */
export function assertConfiguration(configuration: Configuration): void {
  const { voters, outgoing, learners, learnersNext, autoLeave } = configuration;
  for (const member of learners) {
    assert(!voters.has(member) && !outgoing.has(member), `learner "${member}" is also a voter`);
  }
  for (const member of learnersNext) {
    assert(outgoing.has(member), `"${member}" waits to become a learner but is no outgoing voter`);
  }
  assert(outgoing.size > 0 || (learnersNext.size === 0 && !autoLeave), 'leftovers of a joint configuration');
}

function checkInvariants(configuration: Configuration, nextIndex: ReadonlyMap<MemberName, number>): void {
  assertConfiguration(configuration);
  const members = membersOf(configuration);
  assert(
    members.length === nextIndex.size && members.every((member) => nextIndex.has(member)),
    'progress is kept for exactly the members of the configuration',
  );
}

/** Size of the symmetric difference. */
function countDifferent(a: ReadonlySet<MemberName>, b: ReadonlySet<MemberName>): number {
  const common = [...a].filter((member) => b.has(member)).length;
  return a.size + b.size - 2 * common;
}
