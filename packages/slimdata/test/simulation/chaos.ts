import type { Prng } from './prng.ts';
import type { SimulatedMember } from './simulated-member.ts';
import { note, type World } from './world.ts';

/** Draws, once per tick, what goes wrong outside the members' own steps. */
export class Chaos {
  readonly #world: World;
  readonly #random: Prng;

  constructor(world: World, random: Prng) {
    this.#world = world;
    this.#random = random;
  }

  tick(): void {
    const { faults } = this.#world.scenario;
    const random = this.#random;
    if (random.chance(faults.crashRate)) {
      this.#crash();
    }
    if (random.chance(faults.pauseRate)) {
      this.#pause();
    }
    if (random.chance(faults.partitionRate)) {
      this.#partition();
    }
    if (random.chance(faults.clogRate)) {
      this.#clog();
    }
  }

  /** Ends every fault: members start again, links heal. */
  stop(): void {
    this.#world.network.healAll();
    for (const member of this.#world.members) {
      member.held = false;
      member.restart();
      member.resume();
    }
  }

  /** Ends every fault but this: some members, a minority, are lost. Returns those that are well. */
  stopAllButLost(): SimulatedMember[] {
    this.stop();
    const well = [...this.#world.members];
    const lostMax = Math.floor((well.length - 1) / 2);
    for (let lost = this.#random.integer(0, lostMax); lost > 0; lost--) {
      const [member] = well.splice(this.#random.integer(0, well.length - 1), 1);
      if (member !== undefined) {
        this.#lose(member);
      }
    }
    return well;
  }

  /** Down, or cut off in one direction or in both. */
  #lose(member: SimulatedMember): void {
    const { marks, members, network } = this.#world;
    marks.hit('recovery with a member lost');
    const way = this.#random.integer(0, 3);
    note(this.#world, () => `${member.name} is lost: ${['down', 'deaf', 'mute', 'cut off'][way]}`);
    if (way === 0) {
      member.held = true;
      member.crash();
      return;
    }
    for (const { position } of members) {
      if (position !== member.position && way !== 1) {
        network.bar(member.position, position);
      }
      if (position !== member.position && way !== 2) {
        network.bar(position, member.position);
      }
    }
  }

  #victim(): SimulatedMember {
    const { members, scenario } = this.#world;
    const leader = members.find((member) => member.up && member.core.role === 'leader');
    const aimed = this.#random.chance(scenario.faults.leaderAimRate);
    return aimed && leader !== undefined ? leader : this.#random.pick(members);
  }

  #ticks(max: number): number {
    return this.#random.integer(1, max * this.#world.scenario.tickUnits);
  }

  /** One member dies; sometimes all at once, as when the power fails. */
  #crash(): void {
    if (this.#random.chance(0.05)) {
      for (const member of this.#world.members) {
        member.crash();
      }
    } else {
      this.#victim().crash();
    }
  }

  #pause(): void {
    const member = this.#victim();
    member.pause();
    this.#world.queue.schedule(this.#ticks(this.#world.scenario.faults.pauseTicksMax), () => member.resume());
  }

  /**
   * Cuts some directions at once and heals the same ones later. Overlapping partitions heal early: also a
   * case.
   */
  #partition(): void {
    const world = this.#world;
    const cuts = this.#drawCuts();
    if (cuts.length === 0) {
      return;
    }
    note(world, () => `cut ${cuts.map(([from, to]) => `m${from}>m${to}`).join(' ')}`);
    for (const [from, to] of cuts) {
      world.network.setCut(from, to, true);
    }
    world.queue.schedule(this.#ticks(world.scenario.faults.partitionTicksMax), () => {
      note(world, () => `heal ${cuts.map(([from, to]) => `m${from}>m${to}`).join(' ')}`);
      for (const [from, to] of cuts) {
        world.network.setCut(from, to, false);
      }
    });
  }

  #drawCuts(): [number, number][] {
    const { marks, members } = this.#world;
    const random = this.#random;
    const victim = this.#victim().position;
    const others = members.map((member) => member.position).filter((position) => position !== victim);
    switch (random.integer(0, 3)) {
      case 0: {
        // Two halves that do not hear each other.
        const half = new Set([victim, ...others.filter(() => random.chance(0.4))]);
        return this.#pairs((from, to) => half.has(from) !== half.has(to));
      }
      case 1: {
        // A member that hears nobody, or that nobody hears.
        marks.hit('one-way partition');
        const deaf = random.chance(0.5);
        return this.#pairs((from, to) => (deaf ? to : from) === victim);
      }
      case 2: {
        // Any single directions.
        marks.hit('partial partition');
        return this.#pairs(() => random.chance(0.3));
      }
      default:
        // One member alone.
        return this.#pairs((from, to) => from === victim || to === victim);
    }
  }

  #pairs(isCut: (from: number, to: number) => boolean): [number, number][] {
    const { members } = this.#world;
    const pairs: [number, number][] = [];
    for (const { position: from } of members) {
      for (const { position: to } of members) {
        if (from !== to && isCut(from, to)) {
          pairs.push([from, to]);
        }
      }
    }
    return pairs;
  }

  #clog(): void {
    const { members, network, scenario } = this.#world;
    const from = this.#victim().position;
    const to = this.#random.pick(members).position;
    if (from !== to) {
      network.clog(from, to, this.#ticks(scenario.faults.clogTicksMax));
    }
  }
}
