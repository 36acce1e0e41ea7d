import type { HardState, MemberName, RaftMessage } from '../../src/raft/types.ts';
import { CoreWatch } from './core-watch.ts';
import { type CrashOutcome, Disk } from './disk.ts';
import { EffectPerformer } from './effect-performer.ts';
import type { MemberInput } from './member-input.ts';
import { MemberReads } from './member-reads.ts';
import type { Prng } from './prng.ts';
import { describeMessage } from './trace.ts';
import { Violation } from './violation.ts';
import { type CoreUnderTest, note, type Recovered, type World } from './world.ts';

export type CreateCore = (member: SimulatedMember, recovered: Recovered) => CoreUnderTest;

/**
 * One member: core, disk, clock, inbox, and the loop that takes inputs, feeds the core and has its effects
 * performed. It can be paused, die at any point and start again from its disk.
 */
export class SimulatedMember {
  readonly name: MemberName;
  /** Position among the members, from 0. */
  readonly position: number;
  readonly disk: Disk;
  core: CoreUnderTest;
  /** Counts restarts. */
  life = 1;
  up = true;
  paused = false;
  /** True: the member stays down when it dies. */
  held = false;
  /** Ticks of the present life that the core was told of. */
  ticks = 0;
  /** Last index given to the state machine since the start. */
  applied = 0;
  reads: MemberReads;
  readonly #world: World;
  readonly #random: Prng;
  readonly #createCore: CreateCore;
  readonly #performer: EffectPerformer;
  #watch: CoreWatch;
  #inbox: MemberInput[] = [];
  #turnDue = false;
  /** Ticks that fell into a pause are one late tick. */
  #tickMissed = false;
  #tickUnits = 1;

  constructor(position: number, world: World, random: Prng, createCore: CreateCore) {
    this.position = position;
    this.name = `m${position}`;
    this.#world = world;
    this.#random = random;
    this.#createCore = createCore;
    this.#performer = new EffectPerformer(this, world, random);
    this.disk = new Disk(world.scenario.disk, world.queue, random.fork(), {
      stored: (previous, next) => world.elections.storing(this, previous, next),
      durable: (batch) => {
        note(world, () => `${this.name} disk: batch ${batch.token} is durable`);
        this.#accept({ kind: 'durable', batch });
      },
    });
    this.core = createCore(this, { hardState: this.disk.hardState, entries: [] });
    this.#watch = new CoreWatch(this, world);
    this.reads = new MemberReads(this, world);
    this.#startClock();
  }

  /** Names of all other members. */
  get peers(): MemberName[] {
    return this.#world.members.filter((member) => member !== this).map((member) => member.name);
  }

  /** A client asks this member to commit something. */
  propose(payloads: readonly Uint8Array[]): void {
    this.#accept({ kind: 'propose', payloads });
  }

  /** A client asks this member for a linearizable read. */
  read(): void {
    if (this.up) {
      this.#accept({ kind: 'read', request: this.reads.ask() });
    }
  }

  /** An operator asks this member to hand its leadership to `to`. */
  transfer(to: MemberName): void {
    this.#accept({ kind: 'transfer', to });
  }

  receive(from: MemberName, message: RaftMessage): void {
    if (!this.up) {
      return;
    }
    if (this.#inbox.length >= this.#world.scenario.inboxMax) {
      this.#world.marks.hit('inbox overflowed');
      return;
    }
    const { received } = this.#world.mutation;
    const changed = received === undefined ? message : received(message, this, from);
    if (changed !== null) {
      this.#accept({ kind: 'message', from, message: changed });
    }
  }

  /** The transport could not reach `peer`. */
  unreachable(peer: MemberName): void {
    this.#world.marks.hit('unreachable reported');
    this.#accept({ kind: 'unreachable', peer });
  }

  /** Stops handling anything; mail piles up and the disk goes on. */
  pause(): void {
    if (!this.up || this.paused) {
      return;
    }
    this.paused = true;
    if (this.core.role === 'leader') {
      this.#world.marks.hit('leader paused');
    }
    note(this.#world, () => `${this.name} pauses`);
  }

  /** Goes on. All ticks that were missed are delivered as one, before or after the mail that waits. */
  resume(): void {
    if (!this.paused) {
      return;
    }
    this.paused = false;
    note(this.#world, () => `${this.name} resumes with ${this.#inbox.length} inputs waiting`);
    if (this.#tickMissed) {
      this.#tickMissed = false;
      this.#world.marks.hit('late tick');
      if (this.#random.chance(0.5)) {
        this.#inbox.unshift({ kind: 'tick' });
      } else {
        this.#inbox.push({ kind: 'tick' });
      }
    }
    this.#scheduleTurn();
  }

  /**
   * Dies at once: what is in memory is gone, and of the disk's queue all but a random prefix. Restarts later.
   */
  crash(): void {
    if (!this.up) {
      return;
    }
    const world = this.#world;
    if (this.core.role === 'leader' && this.core.lastIndex > this.core.commitIndex) {
      world.marks.hit('leader crash with uncommitted entries');
    }
    this.up = false;
    this.paused = false;
    this.#inbox = [];
    const outcome = this.disk.crash();
    world.trace.fold(outcome.kept);
    this.#markCrash(outcome);
    note(world, () => `${this.name} crashes, ${outcome.kept} unsynced batches kept, ${outcome.lost} lost`);
    const { faults, tickUnits } = world.scenario;
    world.queue.schedule(this.#random.integer(1, faults.downTicksMax * tickUnits), () => this.restart());
  }

  /** Starts again from what is durable. */
  restart(): void {
    if (this.up || this.held) {
      return;
    }
    const world = this.#world;
    const recovered = this.#recover();
    const { hardState, entries } = recovered;
    if (hardState.votedFor !== null) {
      world.marks.hit('restart with a vote in the current term');
    }
    note(world, () => `${this.name} restarts: ${this.#describe(hardState)}, ${entries.length} entries`);
    this.up = true;
    this.life += 1;
    this.applied = 0;
    this.ticks = 0;
    this.#tickMissed = false;
    this.#turnDue = false;
    this.core = this.#createCore(this, recovered);
    this.#watch = new CoreWatch(this, world);
    this.reads = new MemberReads(this, world);
    this.#startClock();
  }

  #recover(): Recovered {
    const found: Recovered = { hardState: this.disk.hardState, entries: this.disk.durable.slice() };
    const changed = this.#world.mutation.recovered?.(found, this);
    if (changed === undefined) {
      return found;
    }
    this.disk.replace(changed.hardState, changed.entries);
    return changed;
  }

  #describe(hardState: HardState): string {
    return `term ${hardState.term}, vote ${hardState.votedFor}`;
  }

  #markCrash(outcome: CrashOutcome): void {
    const { marks } = this.#world;
    if (outcome.kept > 0) {
      marks.hit('unsynced batches kept');
    }
    if (outcome.lost > 0) {
      marks.hit('unsynced batches lost');
    }
    if (outcome.lostTruncation) {
      marks.hit('unsynced truncation lost');
    }
  }

  #startClock(): void {
    const { scenario } = this.#world;
    const drift = 1 + scenario.faults.clockDrift * (2 * this.#random.fraction() - 1);
    this.#tickUnits = Math.max(1, Math.round(scenario.tickUnits * drift));
    this.#scheduleTick(this.life, this.#random.integer(1, this.#tickUnits));
  }

  #scheduleTick(life: number, delay: number): void {
    this.#world.queue.schedule(delay, () => {
      if (life !== this.life || !this.up) {
        return;
      }
      this.#scheduleTick(life, this.#tickUnits);
      if (this.paused) {
        this.#tickMissed = true;
      } else {
        this.#accept({ kind: 'tick' });
      }
    });
  }

  #accept(input: MemberInput): void {
    if (this.up) {
      this.#inbox.push(input);
      this.#scheduleTurn();
    }
  }

  /** Turns follow inputs at once, or after a while in which more inputs come together. */
  #scheduleTurn(): void {
    const { queue, scenario } = this.#world;
    if (this.paused || this.#turnDue) {
      return;
    }
    if (scenario.inboxDelayMax === 0) {
      this.#takeTurns();
      return;
    }
    this.#turnDue = true;
    const { life } = this;
    queue.schedule(this.#random.integer(0, scenario.inboxDelayMax), () => {
      if (life === this.life) {
        this.#turnDue = false;
        this.#takeTurns();
      }
    });
  }

  /** One turn per input, or one for all that wait. */
  #takeTurns(): void {
    while (this.up && !this.paused && this.#inbox.length > 0) {
      const together = this.#world.scenario.inboxDelayMax > 0 ? this.#inbox.length : 1;
      if (together > 1) {
        this.#world.marks.hit('several inputs in one turn');
      }
      this.#turn(this.#inbox.splice(0, together));
    }
  }

  #turn(inputs: readonly MemberInput[]): void {
    const { logs, mutation } = this.#world;
    for (const input of inputs) {
      this.#feed(input);
      if (!this.up) {
        return;
      }
      this.#watch.look();
    }
    const taken = this.core.takeEffects();
    this.#watch.look();
    this.#watch.effectsTaken(taken);
    logs.taken(this, taken.persist);
    this.#performer.perform(mutation.effects?.(taken, this) ?? taken);
  }

  #feed(input: MemberInput): void {
    const world = this.#world;
    switch (input.kind) {
      case 'tick':
        this.ticks += 1;
        this.core.tick();
        this.reads.checkAge();
        break;
      case 'message':
        note(world, () => `${this.name} <- ${input.from} ${describeMessage(input.message)}`);
        this.core.receive(input.from, input.message);
        break;
      case 'durable':
        this.#performer.confirm(input.batch);
        break;
      case 'unreachable':
        note(world, () => `${this.name} cannot reach ${input.peer}`);
        this.core.unreachable(input.peer);
        break;
      case 'propose':
        this.#propose(input.payloads);
        break;
      case 'read':
        note(world, () => `${this.name} is asked for read ${input.request}`);
        this.reads.asked(input.request);
        this.core.readIndex(input.request);
        break;
      case 'transfer':
        note(world, () => `${this.name} is asked to transfer leadership to ${input.to}`);
        this.core.transferLeadership(input.to);
        break;
    }
  }

  #propose(payloads: readonly Uint8Array[]): void {
    const before = this.core.lastIndex;
    const result = this.core.propose(payloads);
    const expected = result === 'accepted' && this.core.role === 'leader' ? payloads.length : 0;
    if (this.core.lastIndex - before !== expected) {
      throw new Violation('proposals are taken whole', `${this.name}, ${this.core.role}, says ${result}`);
    }
    if (result !== 'accepted') {
      this.#world.marks.hit(result === 'overloaded' ? 'proposal overloaded' : 'proposal refused');
    }
    note(this.#world, () => `${this.name} is asked to commit ${payloads.length}: ${result}`);
  }
}
