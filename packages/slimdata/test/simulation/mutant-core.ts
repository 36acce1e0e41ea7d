import type { Effects, Entry, MemberName, RaftMessage } from '../../src/raft/types.ts';
import type { SimulatedMember } from './simulated-member.ts';
import type { CoreUnderTest } from './world.ts';

/** Passes everything on to the real core; a mutation overrides what it does wrongly. */
class MutantCore implements CoreUnderTest {
  protected readonly core: CoreUnderTest;
  protected readonly member: SimulatedMember;

  constructor(core: CoreUnderTest, member: SimulatedMember) {
    this.core = core;
    this.member = member;
  }

  get term(): CoreUnderTest['term'] {
    return this.core.term;
  }

  get role(): CoreUnderTest['role'] {
    return this.core.role;
  }

  get leader(): CoreUnderTest['leader'] {
    return this.core.leader;
  }

  get commitIndex(): number {
    return this.core.commitIndex;
  }

  get lastIndex(): number {
    return this.core.lastIndex;
  }

  get durableIndex(): number {
    return this.core.durableIndex;
  }

  entryAt(index: number): Entry | undefined {
    return this.core.entryAt(index);
  }

  termAt(index: number): number | undefined {
    return this.core.termAt(index);
  }

  tick(): void {
    this.core.tick();
  }

  receive(from: MemberName, message: RaftMessage): void {
    this.core.receive(from, message);
  }

  propose(payloads: readonly Uint8Array[]): ReturnType<CoreUnderTest['propose']> {
    return this.core.propose(payloads);
  }

  readIndex(request: number): void {
    this.core.readIndex(request);
  }

  persisted(token: number): void {
    this.core.persisted(token);
  }

  unreachable(peer: MemberName): void {
    this.core.unreachable(peer);
  }

  transferLeadership(to: MemberName): ReturnType<CoreUnderTest['transferLeadership']> {
    return this.core.transferLeadership(to);
  }

  takeEffects(): Effects {
    return this.core.takeEffects();
  }
}

/** Commits more than the real core does, and hands it out as committed. */
abstract class OverCommittingCore extends MutantCore {
  #claimed = 0;
  #delivered = 0;

  override get commitIndex(): number {
    return Math.max(this.core.commitIndex, Math.min(this.#claimed, this.core.lastIndex));
  }

  protected claim(index: number): void {
    this.#claimed = Math.max(this.#claimed, index);
  }

  override takeEffects(): Effects {
    const effects = this.core.takeEffects();
    const committed: Entry[] = [];
    const end = Math.min(this.commitIndex, this.core.durableIndex);
    while (this.#delivered < end) {
      this.#delivered += 1;
      const entry = this.core.entryAt(this.#delivered);
      if (entry !== undefined) {
        committed.push(entry);
      }
    }
    return { ...effects, committed };
  }
}

/**
 * Follower: commits up to `leaderCommit` without regard to what the message covers (paper figure 2, step 5).
 */
export class CommitsBeyondMessage extends OverCommittingCore {
  override receive(from: MemberName, message: RaftMessage): void {
    this.core.receive(from, message);
    if (message.type === 'AppendEntries' && message.term === this.core.term) {
      this.claim(Math.min(message.leaderCommit, this.core.lastIndex));
    }
  }
}

/** Leader: commits what it wants by counting acknowledgements in its own way. */
abstract class CountingCore extends OverCommittingCore {
  #countedTerm = 0;
  readonly #matches = new Map<MemberName, number>();

  override receive(from: MemberName, message: RaftMessage): void {
    this.core.receive(from, message);
    if (
      message.type !== 'AppendEntriesResponse' ||
      message.term !== this.core.term ||
      this.core.role !== 'leader'
    ) {
      return;
    }
    if (this.#countedTerm !== this.core.term) {
      this.#countedTerm = this.core.term;
      this.#matches.clear();
    }
    if (message.success) {
      this.#matches.set(from, Math.max(message.matchIndex, this.#matches.get(from) ?? 0));
      const own = this.core.durableIndex;
      this.claim(this.count([own, ...this.#matches.values()].sort((left, right) => right - left)));
    }
  }

  /** @param descending what the leader and those that answered have. */
  protected abstract count(descending: readonly number[]): number;
}

/** Commits entries of earlier terms by counting replicas (paper §5.4.2, figure 8). */
export function createOldTermCounter(
  core: CoreUnderTest,
  member: SimulatedMember,
  members: number,
): CoreUnderTest {
  return new (class extends CountingCore {
    protected count(descending: readonly number[]): number {
      return descending[Math.floor(members / 2)] ?? 0;
    }
  })(core, member);
}

/** Counts from the wrong end: one copy is enough. */
export class CommitsWithoutQuorum extends CountingCore {
  protected count(descending: readonly number[]): number {
    return descending[0] ?? 0;
  }
}

/** Leader: answers its own reads at once, without asking anyone whether it still leads. */
export class ReadsUnconfirmed extends MutantCore {
  #answers: number[] = [];

  override readIndex(request: number): void {
    if (this.core.role === 'leader') {
      this.#answers.push(request);
    } else {
      this.core.readIndex(request);
    }
  }

  override takeEffects(): Effects {
    const effects = this.core.takeEffects();
    const answers = this.#answers.map((request) => ({ request, index: this.core.commitIndex }));
    this.#answers = [];
    return { ...effects, readReady: [...effects.readReady, ...answers] };
  }
}

/** Leader: gives a read the commit index of its arrival although its term had committed nothing yet. */
export class ReadsBeforeNoop extends MutantCore {
  readonly #arrivals = new Map<number, number>();

  override receive(from: MemberName, message: RaftMessage): void {
    if (message.type === 'ReadIndex') {
      this.#arrivals.set(message.request, this.core.commitIndex);
    }
    this.core.receive(from, message);
  }

  override takeEffects(): Effects {
    const effects = this.core.takeEffects();
    const sendNow = effects.sendNow.map(({ to, message }) => {
      if (message.type === 'ReadIndexResponse' && message.index >= 0) {
        return { to, message: { ...message, index: this.#arrivals.get(message.request) ?? message.index } };
      }
      return { to, message };
    });
    return { ...effects, sendNow };
  }
}

/** Answers a heartbeat of an earlier term with its round; its sender may lead a later term by now. */
export class AnswersOldRounds extends MutantCore {
  readonly #rounds = new Map<MemberName, number>();

  override receive(from: MemberName, message: RaftMessage): void {
    if (message.type === 'Heartbeat' && message.term < this.core.term) {
      this.#rounds.set(from, message.round);
    }
    this.core.receive(from, message);
  }

  override takeEffects(): Effects {
    const effects = this.core.takeEffects();
    const sendNow = effects.sendNow.map(({ to, message }) => {
      const round = this.#rounds.get(to);
      return message.type === 'HeartbeatResponse' && round !== undefined
        ? { to, message: { ...message, round } }
        : { to, message };
    });
    this.#rounds.clear();
    return { ...effects, sendNow };
  }
}

/** Leader: believes to be heard by everyone for ever (no check-quorum). */
export class NeverStepsDown extends MutantCore {
  override tick(): void {
    if (this.core.role === 'leader') {
      for (const from of this.member.peers) {
        this.core.receive(from, { type: 'HeartbeatResponse', term: this.core.term, round: 0 });
      }
    }
    this.core.tick();
  }
}

/** Proposes everything twice. */
export class ProposesTwice extends MutantCore {
  override propose(payloads: readonly Uint8Array[]): ReturnType<CoreUnderTest['propose']> {
    return this.core.propose([...payloads, ...payloads]);
  }
}
