import type { HardState, MemberName } from '../../src/raft/types.ts';
import type { Marks } from './marks.ts';
import type { SimulatedMember } from './simulated-member.ts';
import { Violation } from './violation.ts';

/** The promises around terms and votes (paper §5.2, §5.4.1), across crashes. */
export class ElectionChecker {
  /** Term -> the one life of the one member that led it. */
  readonly #leaders = new Map<number, string>();
  /** "member/term" -> the durable vote. */
  readonly #votes = new Map<string, MemberName>();
  /** Term -> who asked for votes in it. */
  readonly #candidates = new Map<number, Set<MemberName>>();
  readonly #marks: Marks;
  /** False leaves out the checks that see a broken rule itself, so that its consequences can be awaited. */
  readonly #direct: boolean;

  constructor(marks: Marks, direct: boolean) {
    this.#marks = marks;
    this.#direct = direct;
  }

  /** `member` is the leader of its term; called once per term. */
  leading(member: SimulatedMember): void {
    const { term } = member.core;
    const life = `${member.name}, life ${member.life}`;
    const other = this.#leaders.get(term);
    if (other !== undefined && other !== life) {
      throw new Violation('one leader per term', `${life} leads term ${term}, which ${other} led`);
    }
    this.#leaders.set(term, life);
    if (this.#direct && !this.#hasVoted(member, term, member.name)) {
      throw new Violation(
        'a leader voted durably',
        `${life} leads term ${term} before its own vote is durable`,
      );
    }
  }

  /** `member` says that `leader` leads `term`. */
  following(member: SimulatedMember, term: number, leader: MemberName): void {
    if (this.#leaders.get(term)?.startsWith(`${leader},`) !== true) {
      throw new Violation(
        'known leaders lead',
        `${member.name} takes ${leader} for the leader of term ${term}, which is ${this.#leaders.get(term)}`,
      );
    }
  }

  /** The disk of `member` now holds `next`. */
  storing(member: SimulatedMember, previous: HardState, next: HardState): void {
    if (next.term < previous.term) {
      throw new Violation('terms ascend', `${member.name} stored term ${next.term} after ${previous.term}`);
    }
    if (next.votedFor !== null) {
      const key = `${member.name}/${next.term}`;
      const vote = this.#votes.get(key);
      if (vote !== undefined && vote !== next.votedFor) {
        throw new Violation(
          'one vote per term',
          `${member.name} voted for ${vote} and for ${next.votedFor} in term ${next.term}`,
        );
      }
      this.#votes.set(key, next.votedFor);
    } else if (next.term === previous.term && previous.votedFor !== null) {
      throw new Violation('votes stay', `${member.name} forgot its vote of term ${next.term}`);
    }
  }

  /**
   * A vote leaves `member`: its disk must have it, or a later term, in which the vote can never be given
   * again (several inputs of one turn are one record).
   */
  granting(member: SimulatedMember, term: number, to: MemberName): void {
    if (!this.#direct) {
      return;
    }
    const key = `${member.name}/${term}`;
    const vote = this.#votes.get(key);
    if (vote !== undefined && vote !== to) {
      throw new Violation(
        'one vote per term',
        `${member.name} granted ${to} term ${term}, its vote is ${vote}`,
      );
    }
    if (vote === undefined && member.disk.hardState.term <= term) {
      throw new Violation(
        'votes are durable',
        `${member.name} granted ${to} term ${term} before its disk had it`,
      );
    }
    this.#votes.set(key, to);
  }

  /** `name` asks for votes in `term`. */
  campaigning(name: MemberName, term: number): void {
    const candidates = this.#candidates.get(term);
    if (candidates === undefined) {
      this.#candidates.set(term, new Set([name]));
    } else {
      candidates.add(name);
    }
  }

  /** After the run: terms that several candidates asked for and nobody won. */
  markSplits(): void {
    for (const [term, candidates] of this.#candidates) {
      if (candidates.size > 1 && !this.#leaders.has(term)) {
        this.#marks.hit('vote split');
      }
    }
  }

  #hasVoted(member: SimulatedMember, term: number, candidate: MemberName): boolean {
    return this.#votes.get(`${member.name}/${term}`) === candidate;
  }
}
