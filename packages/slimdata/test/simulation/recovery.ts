import type { SimulatedMember } from './simulated-member.ts';
import { Violation } from './violation.ts';
import type { Workload } from './workload.ts';
import { note, type World } from './world.ts';

/** Each step of the recovery must be done within this many longest election timeouts (2T). */
const timeoutsMax = 30;

/**
 * The liveness phase: once faults are over, these members, a majority at least, elect one leader, get equal
 * logs, commit what is proposed, serve reads, hand leadership over and keep their leader, whatever the others
 * do. Advanced once per tick; each step is bounded.
 */
export class Recovery {
  readonly #world: World;
  readonly #members: readonly SimulatedMember[];
  readonly #workload: Workload;
  readonly #steps: readonly (readonly [string, () => boolean])[];
  #step = 0;
  #ticksInStep = 0;
  readonly #ticksMax: number;
  #proposals: number[] = [];
  #successor: SimulatedMember | null = null;
  #settledTerm = 0;
  #ticksSettled = 0;

  /** @param members those that are well; the others are down or cut off. */
  constructor(world: World, workload: Workload, members: readonly SimulatedMember[]) {
    this.#world = world;
    this.#members = members;
    this.#workload = workload;
    const { electionTicks, network, tickUnits } = world.scenario;
    // What was delayed before the faults ended may still arrive and disturb once more.
    this.#ticksMax = timeoutsMax * 2 * electionTicks + 2 * Math.ceil(network.spikeMax / tickUnits);
    this.#steps = [
      ['one leader and equal logs', () => this.#isEqual()],
      ['new proposals are committed', () => this.#isCommitting()],
      ['a transfer to a lost member is given up', () => this.#isKept()],
      ['proposals are committed again', () => this.#isCommitting()],
      ['reads are served by every member', () => this.#isReading()],
      ['leadership is handed over', () => this.#isHandedOver()],
      ['one leader and equal logs again', () => this.#isEqual()],
      ['the leader stays', () => this.#isStable()],
    ];
  }

  /** True once everything has been shown. */
  get done(): boolean {
    return this.#step >= this.#steps.length;
  }

  tick(): void {
    const step = this.#steps[this.#step];
    if (step === undefined) {
      return;
    }
    const [name, isDone] = step;
    this.#ticksInStep += 1;
    if (isDone()) {
      note(this.#world, () => `recovery: ${name}, after ${this.#ticksInStep} ticks`);
      this.#step += 1;
      this.#ticksInStep = 0;
    } else if (this.#ticksInStep > this.#ticksMax) {
      throw new Violation('liveness', `"${name}" is not reached in ${this.#ticksMax} ticks without faults`);
    }
  }

  /** The leader that all members follow, if it is so. */
  #leader(): SimulatedMember | null {
    const members = this.#members;
    const leader = members.find((member) => member.core.role === 'leader') ?? null;
    const isFollowed = members.every(
      ({ core }) => core.leader === leader?.name && core.term === leader?.core.term,
    );
    return isFollowed ? leader : null;
  }

  #isEqual(): boolean {
    const leader = this.#leader();
    if (leader === null) {
      return false;
    }
    const { lastIndex } = leader.core;
    return this.#members.every(({ core, applied }) => core.lastIndex === lastIndex && applied === lastIndex);
  }

  /** Proposes through the leader; what a change of leadership swallowed is proposed anew. */
  #isCommitting(): boolean {
    const { logs, scenario } = this.#world;
    const members = this.#members;
    if (this.#ticksInStep % scenario.electionTicks === 1) {
      const leader = members.find((member) => member.core.role === 'leader');
      this.#proposals =
        leader === undefined ? [] : [1, 2, 3].map(() => this.#workload.proposeTo(leader.position));
    }
    const isCommitted = this.#proposals.length > 0 && this.#proposals.every((id) => logs.isCommitted(id));
    return isCommitted && members.every((member) => member.applied === logs.chosenLength);
  }

  /** Members ask in turns, because a leader may be bounded to one read at a time; all questions must end. */
  #isReading(): boolean {
    const members = this.#members;
    const asker = members[this.#ticksInStep % members.length];
    if (asker?.reads.served === 0 && asker.reads.open === 0) {
      asker.read();
    }
    return members.every((member) => member.reads.served > 0 && member.reads.open === 0);
  }

  /** Asks the leader, once, to hand over to a member that cannot take it. */
  #isKept(): boolean {
    const lost = this.#world.members.find((member) => !this.#members.includes(member));
    if (lost !== undefined) {
      this.#leader()?.transfer(lost.name);
    }
    return lost === undefined || this.#leader() !== null;
  }

  #isHandedOver(): boolean {
    const { marks, random, scenario } = this.#world;
    const members = this.#members;
    if (members.length === 1) {
      return true;
    }
    const leader = members.find((member) => member.core.role === 'leader');
    if (this.#successor !== null && leader === this.#successor) {
      marks.hit('transfer done');
      return true;
    }
    if (this.#ticksInStep % (2 * scenario.electionTicks) === 1 && leader !== undefined) {
      this.#successor = random.pick(members.filter((member) => member !== leader));
      leader.transfer(this.#successor.name);
    }
    return false;
  }

  /** Nobody deposes a live leader: two longest election timeouts pass in one term. */
  #isStable(): boolean {
    const leader = this.#leader();
    const { electionTicks } = this.#world.scenario;
    if (leader === null || leader.core.term !== this.#settledTerm) {
      if (this.#settledTerm !== 0) {
        throw new Violation(
          'leaders stay',
          `the leader of term ${this.#settledTerm} was deposed without any fault`,
        );
      }
      this.#settledTerm = leader?.core.term ?? 0;
      return false;
    }
    this.#ticksSettled += 1;
    return this.#ticksSettled > 4 * electionTicks;
  }
}
