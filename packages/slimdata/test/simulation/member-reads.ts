import type { SimulatedMember } from './simulated-member.ts';
import { Violation } from './violation.ts';
import { note, type World } from './world.ts';

/** A read that was asked and not yet served or refused. */
interface OpenRead {
  readonly request: number;
  /** Highest index known to be committed by anyone when the read was asked: what it must see at least. */
  readonly floor: number;
  /** Tick of the member at which its core was asked; null = still in the inbox. */
  askedTick: number | null;
  /** Answer of the core: serve once applied up to here. -1 = none yet. */
  index: number;
}

/**
 * The linearizable reads of one life of one member, with their oracle (thesis §6.4): a read sees everything
 * that was committed anywhere before it was asked. Stronger than what clients could notice: "committed", not
 * "acknowledged".
 */
export class MemberReads {
  readonly #open = new Map<number, OpenRead>();
  readonly #member: SimulatedMember;
  readonly #world: World;
  #served = 0;

  constructor(member: SimulatedMember, world: World) {
    this.#member = member;
    this.#world = world;
  }

  /** Reads neither served nor refused yet. */
  get open(): number {
    return this.#open.size;
  }

  /** Reads served in this life. */
  get served(): number {
    return this.#served;
  }

  /** A client asks now; the core hears of it later. */
  ask(): number {
    const request = this.#world.nextId++;
    this.#open.set(request, { request, floor: this.#world.logs.chosenLength, askedTick: null, index: -1 });
    return request;
  }

  /** The core is asked now. */
  asked(request: number): void {
    const read = this.#open.get(request);
    if (read !== undefined) {
      read.askedTick = this.#member.ticks;
    }
  }

  /** Each read is answered, served or refused, within two election timeouts of its member's clock. */
  checkAge(): void {
    const { core, name, ticks } = this.#member;
    const ticksMax = 2 * this.#world.scenario.electionTicks;
    for (const { askedTick, index, request } of this.#open.values()) {
      if (index < 0 && askedTick !== null && ticks - askedTick > ticksMax) {
        throw new Violation(
          'reads are answered',
          `${name}, ${core.role}, has not answered read ${request} in ${ticksMax} ticks`,
        );
      }
    }
  }

  /** The core answered: `index` to be applied first, or -1 = refused. */
  answered(request: number, index: number): void {
    const { marks, trace } = this.#world;
    const read = this.#open.get(request);
    if (read === undefined || read.index >= 0) {
      throw new Violation('reads are answered once', `${this.#member.name} answers read ${request} unasked`);
    }
    trace.fold(index);
    note(this.#world, () => `${this.#member.name} read ${request} gets ${index}, floor ${read.floor}`);
    if (index < 0) {
      marks.hit('read refused');
      this.#open.delete(request);
      return;
    }
    if (index < read.floor) {
      throw new Violation(
        'reads are linearizable',
        `${this.#member.name} may serve read ${request} at ${index}, committed when asked was ${read.floor}`,
      );
    }
    marks.hit(this.#member.core.role === 'leader' ? 'leader read confirmed' : 'follower read confirmed');
    read.index = index;
  }

  /** Serves what may be served now that the state machine is at `applied`. */
  serve(applied: number): void {
    for (const read of this.#open.values()) {
      if (read.index >= 0 && applied >= read.index) {
        this.#open.delete(read.request);
        this.#served += 1;
      }
    }
  }
}
