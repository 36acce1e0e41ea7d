import type { Effects, Leadership, Role } from '../../src/raft/types.ts';
import type { SimulatedMember } from './simulated-member.ts';
import { Violation } from './violation.ts';
import { note, type World } from './world.ts';

/** Looks at one life of one core after every input and tells the checkers what changed. */
export class CoreWatch {
  readonly #member: SimulatedMember;
  readonly #world: World;
  #term: number;
  #role: Role;
  #commitIndex: number;
  /** As last reported in effects. */
  #reported: Leadership;

  constructor(member: SimulatedMember, world: World) {
    const { core } = member;
    this.#member = member;
    this.#world = world;
    this.#term = core.term;
    this.#role = core.role;
    this.#commitIndex = core.commitIndex;
    this.#reported = { role: core.role, term: core.term, leader: core.leader };
  }

  look(): void {
    const { core } = this.#member;
    if (core.term !== this.#term || core.role !== this.#role) {
      this.#changed();
      this.#term = core.term;
      this.#role = core.role;
    }
    const commitIndex = core.commitIndex;
    if (commitIndex !== this.#commitIndex) {
      note(this.#world, () => `${this.#member.name} commits up to ${commitIndex}`);
      this.#world.trace.fold(commitIndex);
      this.#world.logs.committing(this.#member, this.#commitIndex, commitIndex);
      this.#commitIndex = commitIndex;
    }
  }

  /** A change of role, term or leader must come out as an effect, and be the truth. */
  effectsTaken(effects: Effects): void {
    const member = this.#member;
    const reported = effects.leadership ?? this.#reported;
    const { role, term, leader } = member.core;
    if (reported.role !== role || reported.term !== term || reported.leader !== leader) {
      throw new Violation(
        'leadership is reported',
        `${member.name} is ${role} in term ${term} under ${leader}, reported is ${JSON.stringify(reported)}`,
      );
    }
    if (effects.leadership !== null) {
      this.#reported = effects.leadership;
      if (leader !== null) {
        this.#world.elections.following(member, term, leader);
      }
    }
  }

  #changed(): void {
    const member = this.#member;
    const { core } = member;
    const { marks, trace } = this.#world;
    note(this.#world, () => `${member.name} becomes ${core.role} in term ${core.term}`);
    trace.fold(core.term);
    if (core.term < this.#term) {
      throw new Violation('terms ascend', `${member.name} went from term ${this.#term} to ${core.term}`);
    }
    if (this.#role === 'leader') {
      marks.hit(
        core.term === this.#term ? 'check-quorum step-down' : 'stale leader deposed by a higher term',
      );
    }
    if (core.role === 'leader') {
      this.#world.elections.leading(member);
      this.#world.logs.leading(member);
      if (this.#world.members.some((other) => other !== member && other.up && other.core.role === 'leader')) {
        marks.hit('two leaders at once');
      }
    }
  }
}
