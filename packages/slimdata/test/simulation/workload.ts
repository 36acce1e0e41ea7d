import type { Prng } from './prng.ts';
import { note, type World } from './world.ts';

/**
 * Clients: proposals with numbers that are never used twice, reads, and now and then a leadership transfer.
 */
export class Workload {
  readonly #world: World;
  readonly #random: Prng;

  constructor(world: World, random: Prng) {
    this.#world = world;
    this.#random = random;
  }

  tick(): void {
    const { members, scenario } = this.#world;
    const { workload } = scenario;
    const random = this.#random;
    if (random.chance(workload.proposeRate)) {
      // Clients know the leader most of the time.
      const leader = members.find((member) => member.up && member.core.role === 'leader');
      const target = random.chance(0.7) && leader !== undefined ? leader : random.pick(members);
      target.propose(this.#payloads(random.integer(1, workload.batchMax)));
    }
    if (random.chance(workload.readRate)) {
      random.pick(members).read();
    }
    if (random.chance(workload.transferRate)) {
      const to = random.pick(members);
      for (const member of members) {
        if (member.up && member.core.role === 'leader') {
          member.transfer(to.name);
        }
      }
    }
  }

  /** One proposal to `target` position; returns its number. */
  proposeTo(position: number): number {
    const payload = this.#payload();
    this.#world.members[position]?.propose([payload]);
    return payload.readUint32BE(0);
  }

  #payloads(count: number): Buffer[] {
    return Array.from({ length: count }, () => this.#payload());
  }

  /** The number, then filling of any length. */
  #payload(): Buffer {
    const payload = Buffer.alloc(4 + (this.#random.chance(0.1) ? this.#random.integer(0, 300) : 0));
    payload.writeUint32BE(this.#world.nextId++);
    note(this.#world, () => `client proposes ${payload.readUint32BE(0)}`);
    return payload;
  }
}
