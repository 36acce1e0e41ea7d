import type { JointVoters, MemberName } from './types.ts';

export type VoteResult = 'won' | 'pending' | 'lost';

/**
 * Largest number that a majority of `voters` has reached; a voter of which nothing is known stands at 0.
 * The empty set has no one to wait for and reaches everything (`Infinity`), so that as the absent half of a
 * joint configuration it never holds back the other half.
 */
function majorityIndex(
  voters: ReadonlySet<MemberName>,
  acked: (member: MemberName) => number | undefined,
): number {
  if (voters.size === 0) {
    return Number.POSITIVE_INFINITY;
  }
  const descending = [...voters].map((member) => acked(member) ?? 0).sort((a, b) => b - a);
  // With n voters the (floor(n/2) + 1)-th largest value is reached by a majority.
  return descending[Math.floor(voters.size / 2)] ?? 0;
}

function majorityVote(voters: ReadonlySet<MemberName>, votes: ReadonlyMap<MemberName, boolean>): VoteResult {
  let granted = 0;
  let refused = 0;
  for (const member of voters) {
    const vote = votes.get(member);
    granted += vote === true ? 1 : 0;
    refused += vote === false ? 1 : 0;
  }
  const needed = voters.size === 0 ? 0 : Math.floor(voters.size / 2) + 1;
  if (granted >= needed) {
    return 'won';
  }
  return voters.size - refused >= needed ? 'pending' : 'lost';
}

/**
 * The index that a quorum has reached, given what each member has acknowledged (paper §5.3; §6 for joint
 * configurations). Also used for read rounds: any monotonic number that members acknowledge.
 * Not finite only when there is no voter at all.
 */
export function committedIndex(
  config: JointVoters,
  acked: (member: MemberName) => number | undefined,
): number {
  return Math.min(majorityIndex(config.voters, acked), majorityIndex(config.outgoing, acked));
}

/** Outcome of an election so far (paper §5.2; §6). Votes of members that are not voters are not counted. */
export function voteResult(config: JointVoters, votes: ReadonlyMap<MemberName, boolean>): VoteResult {
  const incoming = majorityVote(config.voters, votes);
  const outgoing = majorityVote(config.outgoing, votes);
  if (incoming === outgoing) {
    return incoming;
  }
  return incoming === 'lost' || outgoing === 'lost' ? 'lost' : 'pending';
}
