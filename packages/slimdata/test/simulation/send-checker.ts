import type {
  AppendEntriesResponse,
  Heartbeat,
  HeartbeatResponse,
  RaftMessage,
} from '../../src/raft/types.ts';
import type { ElectionChecker } from './election-checker.ts';
import type { LogChecker } from './log-checker.ts';
import type { Marks } from './marks.ts';
import type { SimulatedMember } from './simulated-member.ts';
import { Violation } from './violation.ts';

/** What a message promises must be true, on stable storage, at the moment it leaves its member. */
export class SendChecker {
  readonly #elections: ElectionChecker;
  readonly #logs: LogChecker;
  readonly #marks: Marks;
  /** False leaves this checker out, so that the consequences of a broken promise can be awaited. */
  readonly #direct: boolean;
  /** Term -> last heartbeat round that its leader has sent. */
  readonly #rounds = new Map<number, number>();

  constructor(elections: ElectionChecker, logs: LogChecker, marks: Marks, direct: boolean) {
    this.#elections = elections;
    this.#logs = logs;
    this.#marks = marks;
    this.#direct = direct;
  }

  sending(from: SimulatedMember, to: SimulatedMember, message: RaftMessage): void {
    switch (message.type) {
      case 'RequestVote':
        this.#elections.campaigning(from.name, message.term);
        break;
      case 'RequestVoteResponse':
        if (message.granted) {
          this.#elections.granting(from, message.term, to.name);
        } else {
          this.#marks.hit('vote refused');
        }
        break;
      case 'PreVoteResponse':
        if (!message.granted) {
          this.#marks.hit('pre-vote refused');
        }
        break;
      case 'AppendEntries':
        this.#leads(from, message.term);
        this.#commits(from, message.leaderCommit);
        break;
      case 'Heartbeat':
        this.#leads(from, message.term);
        this.#heartbeat(from, to, message);
        break;
      case 'HeartbeatResponse':
        this.#confirms(from, message);
        break;
      case 'AppendEntriesResponse':
        this.#acknowledges(from, message);
        break;
      default:
    }
  }

  /** Only a member whose own vote for the term is durable speaks as its leader. */
  #leads(from: SimulatedMember, term: number): void {
    const { hardState } = from.disk;
    const isTrue = hardState.term > term || (hardState.term === term && hardState.votedFor === from.name);
    if (this.#direct && !isTrue) {
      throw new Violation(
        'leaders are durable',
        `${from.name} leads term ${term}, its disk knows ${hardState.term}`,
      );
    }
  }

  #commits(from: SimulatedMember, commit: number): void {
    if (this.#direct && commit > this.#logs.chosenLength) {
      throw new Violation(
        'commit is true',
        `${from.name} announces commit ${commit}, nobody has committed that`,
      );
    }
  }

  /**
   * Rounds are numbered anew in each term: one of another term would confirm reads that it knows nothing of.
   */
  #confirms(from: SimulatedMember, message: HeartbeatResponse): void {
    const sent = this.#rounds.get(message.term) ?? 0;
    if (this.#direct && message.round > sent) {
      throw new Violation(
        'rounds stay in their term',
        `${from.name} answers round ${message.round} in term ${message.term}, whose last one is ${sent}`,
      );
    }
  }

  #heartbeat(from: SimulatedMember, to: SimulatedMember, message: Heartbeat): void {
    this.#rounds.set(message.term, Math.max(message.round, this.#rounds.get(message.term) ?? 0));
    this.#commits(from, message.commit);
    if (this.#direct && message.commit > to.disk.durable.length) {
      throw new Violation(
        'heartbeats stay within the match',
        `${from.name} announces commit ${message.commit} to ${to.name}, which has ${to.disk.durable.length}`,
      );
    }
  }

  #acknowledges(from: SimulatedMember, message: AppendEntriesResponse): void {
    const { disk, name } = from;
    if (!message.success) {
      if (message.hintIndex > 0) {
        this.#marks.hit('append refused with a hint');
      }
      return;
    }
    // In a later durable term the acknowledged entries may rightly be gone: what was promised held in its own
    // term.
    const isTrue =
      disk.hardState.term > message.term ||
      (disk.hardState.term === message.term && disk.durable.length >= message.matchIndex);
    if (this.#direct && !isTrue) {
      throw new Violation(
        'acknowledgements are durable',
        `${name} acknowledged ${message.matchIndex} in term ${message.term}; ` +
          `its disk has ${disk.durable.length} in term ${disk.hardState.term}`,
      );
    }
  }
}
