import type {
  Effects,
  Entry,
  Envelope,
  MemberName,
  PersistEffect,
  RaftMessage,
} from '../../src/raft/types.ts';
import type { Prng } from './prng.ts';
import type { SimulatedMember } from './simulated-member.ts';
import { describeMessage } from './trace.ts';
import { Violation } from './violation.ts';
import { note, type World } from './world.ts';

/**
 * Does what a core wants done, in any order that the contract of effects allows, and may die before each
 * step.
 */
export class EffectPerformer {
  readonly #member: SimulatedMember;
  readonly #world: World;
  readonly #random: Prng;

  constructor(member: SimulatedMember, world: World, random: Prng) {
    this.#member = member;
    this.#world = world;
    this.#random = random;
  }

  perform(effects: Effects): void {
    const member = this.#member;
    const steps = [
      () => this.#persist(effects.persist),
      () => this.#sendAll(effects.sendNow),
      () => this.#apply(effects.committed),
    ];
    if (!this.#world.scenario.persistsFirst) {
      const moved = steps.splice(this.#random.integer(0, 2), 1);
      steps.splice(this.#random.integer(0, 2), 0, ...moved);
    }
    for (const step of steps) {
      if (!this.#survives()) {
        return;
      }
      step();
      if (!member.up) {
        return;
      }
    }
    for (const { request, index } of effects.readReady) {
      member.reads.answered(request, index);
    }
    member.reads.serve(member.applied);
  }

  /** A batch is durable: the core is told and the promises that waited for it leave, in either order. */
  confirm(batch: PersistEffect): void {
    const { persistsFirst } = this.#world.scenario;
    if (persistsFirst) {
      this.#tell(batch);
    }
    if (!this.#survives()) {
      return;
    }
    this.#sendAll(batch.sendAfterDurable);
    if (this.#member.up && !persistsFirst) {
      this.#tell(batch);
    }
  }

  #tell(batch: PersistEffect): void {
    if (this.#world.mutation.confirmsEarly !== true) {
      this.#member.core.persisted(batch.token);
    }
  }

  #persist(batch: PersistEffect | null): void {
    if (batch === null) {
      return;
    }
    const world = this.#world;
    const member = this.#member;
    world.trace.fold(batch.token);
    note(world, () => {
      const { hardState, truncateFrom, entries, token } = batch;
      const vote = hardState === null ? '' : ` term ${hardState.term} vote ${hardState.votedFor}`;
      const cut = truncateFrom === null ? '' : ` truncate from ${truncateFrom}`;
      const added = entries.map((entry) => ` ${entry.index}/${entry.term}`).join('');
      return `${member.name} persists batch ${token}:${vote}${cut}${added}`;
    });
    world.logs.persisting(member, batch);
    member.disk.append(batch);
    if (world.mutation.confirmsEarly === true) {
      member.core.persisted(batch.token);
    }
  }

  #sendAll(envelopes: readonly Envelope[]): void {
    for (const { to, message } of envelopes) {
      this.#send(to, message);
      if (!this.#survives()) {
        return;
      }
    }
  }

  #send(to: MemberName, message: RaftMessage): void {
    const world = this.#world;
    const member = this.#member;
    const target = world.members.find((other) => other.name === to);
    if (target === undefined || target === member) {
      throw new Violation('messages have a peer', `${member.name} sends ${message.type} to ${to}`);
    }
    if (message.type === 'AppendEntries') {
      // A message is a value: a core that goes on changing an array it has handed out fails here.
      Object.freeze(message.entries);
    }
    world.trace.foldMessage(message);
    note(world, () => `${member.name} -> ${to} ${describeMessage(message)}`);
    world.sends.sending(member, target, message);
    world.network.send(member.position, target.position, message);
  }

  #apply(committed: readonly Entry[]): void {
    for (const entry of committed) {
      this.#world.logs.applying(this.#member, entry, this.#member.applied);
      this.#member.applied = entry.index;
    }
  }

  /** Draws whether the member dies right here. */
  #survives(): boolean {
    const { faults } = this.#world.scenario;
    if (!this.#random.chance(faults.crashInsideRate)) {
      return true;
    }
    this.#world.marks.hit('crash between effects');
    this.#member.crash();
    return false;
  }
}
