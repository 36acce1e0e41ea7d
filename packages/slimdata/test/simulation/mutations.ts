import type { Effects, Envelope, MemberName, RaftMessage } from '../../src/raft/types.ts';
import {
  AnswersOldRounds,
  CommitsBeyondMessage,
  CommitsWithoutQuorum,
  createOldTermCounter,
  NeverStepsDown,
  ProposesTwice,
  ReadsBeforeNoop,
  ReadsUnconfirmed,
} from './mutant-core.ts';
import type { Scenario } from './scenario.ts';
import { crowdedElections, figureEight, manyLeaderCrashes, threeMembers } from './scenario-biases.ts';
import type { SimulatedMember } from './simulated-member.ts';
import type { Mutation, Recovered } from './world.ts';

/** A mistake that this field has made, and the invariant that must tell. */
export interface MutationCase {
  /** Reads as "a core/store/transport that ...". */
  readonly name: string;
  /** Any of these counts as caught. */
  readonly invariants: readonly string[];
  /** False: the check that sees the broken rule itself is off; its consequence must show. */
  readonly direct: boolean;
  readonly create: () => Mutation;
  /** Runs in which the mistake has a chance to matter. */
  readonly scenario?: (drawn: Scenario) => Scenario;
}

type MessageType = RaftMessage['type'];
type MessageOf<T extends MessageType> = Extract<RaftMessage, { type: T }>;

/** Sends messages of one type before the write that they rest on. */
function sendsEarly(type: MessageType): Mutation {
  return {
    effects: (effects) => {
      const { persist } = effects;
      if (persist === null) {
        return effects;
      }
      const isEarly = ({ message }: Envelope): boolean => message.type === type;
      return {
        ...effects,
        sendNow: [...effects.sendNow, ...persist.sendAfterDurable.filter(isEarly)],
        persist: { ...persist, sendAfterDurable: persist.sendAfterDurable.filter((sent) => !isEarly(sent)) },
      };
    },
  };
}

/** Changes each message of one type when it arrives; null = it never does. */
function receives<T extends MessageType>(
  type: T,
  change: (message: MessageOf<T>, to: SimulatedMember, from: MemberName) => RaftMessage | null,
): Mutation {
  return {
    received: (message, to, from) =>
      message.type === type ? change(message as MessageOf<T>, to, from) : message,
  };
}

/** Changes what voters hear of a candidate's log, in the pre-election too. */
function receivesCampaign(
  change: (message: MessageOf<'PreVote' | 'RequestVote'>, to: SimulatedMember) => RaftMessage,
): Mutation {
  return {
    received: (message, to) =>
      message.type === 'PreVote' || message.type === 'RequestVote' ? change(message, to) : message,
  };
}

/** Changes each message of one type when it is made. */
function sends<T extends MessageType>(
  type: T,
  change: (message: MessageOf<T>, from: SimulatedMember) => RaftMessage,
): Mutation {
  const changeAll = (envelopes: readonly Envelope[], from: SimulatedMember): Envelope[] =>
    envelopes.map(({ to, message }) => ({
      to,
      message: message.type === type ? change(message as MessageOf<T>, from) : message,
    }));
  return {
    effects: (effects, from) => ({
      ...effects,
      sendNow: changeAll(effects.sendNow, from),
      persist:
        effects.persist === null
          ? null
          : { ...effects.persist, sendAfterDurable: changeAll(effects.persist.sendAfterDurable, from) },
    }),
  };
}

function recovers(change: (found: Recovered) => Recovered): Mutation {
  return { recovered: change };
}

function ownLastTerm(member: SimulatedMember): number {
  return member.core.termAt(member.core.lastIndex) ?? 0;
}

const votes: readonly MutationCase[] = [
  {
    name: 'votes before the vote is durable',
    invariants: ['votes are durable'],
    direct: true,
    create: () => sendsEarly('RequestVoteResponse'),
  },
  {
    name: 'votes before the vote is durable, seen by its consequence',
    invariants: ['one leader per term'],
    direct: false,
    create: () => sendsEarly('RequestVoteResponse'),
    scenario: crowdedElections,
  },
  {
    name: 'forgets its vote in a crash',
    invariants: ['one vote per term'],
    direct: true,
    create: () =>
      recovers(({ hardState, entries }) => ({ hardState: { ...hardState, votedFor: null }, entries })),
  },
  {
    name: 'forgets its term in a crash',
    invariants: ['one vote per term'],
    direct: true,
    create: () =>
      recovers(({ entries }) => ({
        hardState: { term: entries.at(-1)?.term ?? 0, votedFor: null },
        entries,
      })),
  },
  {
    name: 'never stores term and vote',
    invariants: ['votes are durable', 'leaders are durable', 'a leader voted durably'],
    direct: true,
    create: () => ({
      effects: (effects) =>
        effects.persist === null ? effects : { ...effects, persist: { ...effects.persist, hardState: null } },
    }),
  },
  {
    name: 'votes twice',
    invariants: ['one leader per term', 'leader completeness'],
    direct: false,
    create: () => sends('RequestVoteResponse', (message) => ({ ...message, granted: true })),
  },
  {
    name: 'counts the votes of earlier terms',
    invariants: ['one leader per term', 'leader completeness'],
    direct: true,
    create: () => {
      const friends = new Set<string>();
      return receives('RequestVoteResponse', (message, to, from) => {
        const pair = `${from} for ${to.name}`;
        if (message.granted) {
          friends.add(pair);
        }
        return { ...message, granted: friends.has(pair) };
      });
    },
  },
  {
    name: 'votes without regard to the log',
    invariants: ['leader completeness'],
    direct: true,
    create: () => receivesCampaign((message) => ({ ...message, lastLogTerm: Number.MAX_SAFE_INTEGER })),
    scenario: manyLeaderCrashes,
  },
  {
    name: 'compares the length of logs and not their last terms',
    invariants: ['leader completeness'],
    direct: true,
    create: () => receivesCampaign((message, to) => ({ ...message, lastLogTerm: ownLastTerm(to) })),
    scenario: manyLeaderCrashes,
  },
  {
    name: 'wants index and term each to be no smaller',
    invariants: ['liveness'],
    direct: true,
    create: () =>
      receivesCampaign((message, to) =>
        message.lastLogIndex < to.core.lastIndex ? { ...message, lastLogTerm: 0 } : message,
      ),
    scenario: (drawn) => threeMembers(manyLeaderCrashes(drawn)),
  },
];

const logs: readonly MutationCase[] = [
  {
    name: 'acknowledges before entries are durable',
    invariants: ['acknowledgements are durable'],
    direct: true,
    create: () => sendsEarly('AppendEntriesResponse'),
  },
  {
    name: 'acknowledges before entries are durable, seen by its consequence',
    invariants: ['committed on a durable quorum'],
    direct: false,
    create: () => sendsEarly('AppendEntriesResponse'),
  },
  {
    name: 'takes a write for durable when it is handed over',
    invariants: ['committed on a durable quorum', 'applied is durable'],
    direct: false,
    create: () => ({ confirmsEarly: true }),
  },
  {
    name: 'loses entries that were synced',
    invariants: ['leader completeness', 'committed entries agree', 'committed on a durable quorum'],
    direct: true,
    create: () => recovers(({ hardState, entries }) => ({ hardState, entries: entries.slice(0, -2) })),
  },
  {
    name: 'acknowledges all of its log and not what the message covers',
    invariants: ['committed on a durable quorum', 'leader completeness'],
    direct: false,
    create: () =>
      sends('AppendEntriesResponse', (message, from) =>
        message.success ? { ...message, matchIndex: from.disk.durable.length } : message,
      ),
  },
  {
    name: 'skips the consistency check of appends',
    invariants: ['log matching'],
    direct: true,
    create: () =>
      receives('AppendEntries', (message, to) => ({
        ...message,
        prevLogTerm: to.core.termAt(message.prevLogIndex) ?? message.prevLogTerm,
      })),
  },
  {
    name: 'commits beyond the entries of the message',
    invariants: ['committed entries agree', 'state machine safety'],
    direct: false,
    create: () => ({ core: (core, member) => new CommitsBeyondMessage(core, member) }),
  },
  {
    name: 'announces a commit that the follower may not have',
    invariants: ['heartbeats stay within the match'],
    direct: true,
    create: () => sends('Heartbeat', (message, from) => ({ ...message, commit: from.core.commitIndex })),
  },
  {
    name: 'commits entries of earlier terms by counting',
    invariants: ['own term commits'],
    direct: true,
    create: () => ({ core: (core, member) => createOldTermCounter(core, member, member.peers.length + 1) }),
  },
  {
    name: 'commits entries of earlier terms by counting, seen by its consequence',
    invariants: ['committed entries keep a quorum', 'leader completeness', 'committed entries agree'],
    direct: false,
    create: () => ({ core: (core, member) => createOldTermCounter(core, member, 5) }),
    scenario: figureEight,
  },
  {
    name: 'commits without a quorum',
    invariants: ['committed on a durable quorum'],
    direct: true,
    create: () => ({ core: (core, member) => new CommitsWithoutQuorum(core, member) }),
  },
];

const clients: readonly MutationCase[] = [
  {
    name: 'confirms reads by older heartbeat rounds',
    invariants: ['reads are linearizable'],
    direct: true,
    create: () =>
      receives('HeartbeatResponse', (message) => ({ ...message, round: Number.MAX_SAFE_INTEGER })),
  },
  {
    name: 'answers a heartbeat of an earlier term with its round',
    invariants: ['rounds stay in their term'],
    direct: true,
    create: () => ({ core: (core, member) => new AnswersOldRounds(core, member) }),
  },
  {
    name: 'answers reads of the leader without asking anyone',
    invariants: ['reads are linearizable'],
    direct: true,
    create: () => ({ core: (core, member) => new ReadsUnconfirmed(core, member) }),
  },
  {
    name: 'answers reads before its term has committed anything',
    invariants: ['reads are linearizable'],
    direct: true,
    create: () => ({ core: (core, member) => new ReadsBeforeNoop(core, member) }),
  },
  {
    name: 'proposes twice',
    invariants: ['proposals are taken whole'],
    direct: true,
    create: () => ({ core: (core, member) => new ProposesTwice(core, member) }),
  },
  {
    name: 'hands a committed entry out twice',
    invariants: ['applied in order'],
    direct: true,
    create: () => ({
      effects: (effects): Effects => ({
        ...effects,
        committed: [...effects.committed, ...effects.committed.slice(-1)],
      }),
    }),
  },
];

const liveness: readonly MutationCase[] = [
  {
    name: 'ignores refused appends',
    invariants: ['liveness'],
    direct: true,
    create: () => receives('AppendEntriesResponse', (message) => (message.success ? message : null)),
  },
  {
    name: 'never hears answers to pre-votes',
    invariants: ['liveness'],
    direct: true,
    create: () => receives('PreVoteResponse', () => null),
  },
  {
    name: 'never hears answers to reads',
    invariants: ['liveness'],
    direct: true,
    create: () => receives('ReadIndexResponse', () => null),
  },
  {
    name: 'never hears that it should campaign',
    invariants: ['liveness'],
    direct: true,
    create: () => receives('TimeoutNow', () => null),
  },
  {
    name: 'leads on although nobody answers',
    invariants: ['liveness'],
    direct: true,
    create: () => ({ core: (core, member) => new NeverStepsDown(core, member) }),
  },
];

/** All of them. */
export const mutations: readonly MutationCase[] = [...votes, ...logs, ...clients, ...liveness];
