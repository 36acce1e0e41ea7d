import type { RaftMessage } from '../../src/raft/types.ts';
import type { EventQueue } from './event-queue.ts';
import type { Marks } from './marks.ts';
import type { Prng } from './prng.ts';
import type { NetworkScenario } from './scenario.ts';

/** One direction between two members. */
interface Link {
  cut: boolean;
  /** Cut for longer than any fault: not healed by the end of one. */
  barred: boolean;
  /** Messages sent before this time are held back until then. */
  cloggedUntil: number;
  /** Arrival of the last message, for links that keep order. */
  lastArrival: number;
  /** Number of the last message that arrived, to notice overtaking. */
  lastDelivered: number;
  sent: number;
}

export interface NetworkEvents {
  readonly deliver: (from: number, to: number, message: RaftMessage) => void;
  readonly unreachable: (from: number, to: number) => void;
}

/** The simulated network: every fault is per direction, so that partitions can be one-way or partial. */
export class Network {
  scenario: NetworkScenario;
  readonly #queue: EventQueue;
  readonly #random: Prng;
  readonly #events: NetworkEvents;
  readonly #marks: Marks;
  readonly #size: number;
  readonly #links: Link[] = [];

  constructor(
    size: number,
    scenario: NetworkScenario,
    queue: EventQueue,
    random: Prng,
    marks: Marks,
    events: NetworkEvents,
  ) {
    this.scenario = scenario;
    this.#queue = queue;
    this.#random = random;
    this.#events = events;
    this.#marks = marks;
    this.#size = size;
    for (let link = 0; link < size * size; link++) {
      this.#links.push({
        cut: false,
        barred: false,
        cloggedUntil: 0,
        lastArrival: 0,
        lastDelivered: 0,
        sent: 0,
      });
    }
  }

  send(from: number, to: number, message: RaftMessage): void {
    const link = this.#link(from, to);
    const { scenario } = this;
    const random = this.#random;
    const isCut = link.cut || link.barred;
    if (isCut || random.chance(scenario.lossRate)) {
      this.#marks.hit(isCut ? 'message cut off' : 'message lost');
      if (random.chance(scenario.unreachableRate)) {
        this.#queue.schedule(random.integer(0, 4 * scenario.latencyMax), () =>
          this.#events.unreachable(from, to),
        );
      }
      return;
    }
    this.#launch(link, from, to, message, false);
    if (random.chance(scenario.duplicateRate)) {
      this.#launch(link, from, to, message, true);
    }
  }

  /** Cuts or heals one direction. Messages already under way still arrive. */
  setCut(from: number, to: number, cut: boolean): void {
    this.#link(from, to).cut = cut;
  }

  /** Cuts one direction until `healAll`. */
  bar(from: number, to: number): void {
    this.#link(from, to).barred = true;
  }

  /** Holds everything sent from now on back until `duration` has passed. */
  clog(from: number, to: number, duration: number): void {
    this.#link(from, to).cloggedUntil = this.#queue.now + duration;
  }

  /** Heals every link. What is under way still arrives, late. */
  healAll(): void {
    for (const link of this.#links) {
      link.cut = false;
      link.barred = false;
      link.cloggedUntil = 0;
      link.lastArrival = 0;
    }
  }

  #link(from: number, to: number): Link {
    return this.#links[from * this.#size + to] as Link;
  }

  #launch(link: Link, from: number, to: number, message: RaftMessage, duplicate: boolean): void {
    const { scenario } = this;
    const random = this.#random;
    const now = this.#queue.now;
    let arrival = now + random.integer(scenario.latencyMin, scenario.latencyMax);
    if (duplicate || random.chance(scenario.spikeRate)) {
      arrival += random.integer(0, scenario.spikeMax);
    }
    arrival = Math.max(arrival, link.cloggedUntil);
    if (scenario.inOrder) {
      arrival = Math.max(arrival, link.lastArrival);
      link.lastArrival = arrival;
    }
    const number = ++link.sent;
    this.#queue.schedule(arrival - now, () => {
      if (duplicate) {
        this.#marks.hit('duplicate delivered');
      }
      if (number < link.lastDelivered) {
        this.#marks.hit('message overtaken');
      } else {
        link.lastDelivered = number;
      }
      this.#events.deliver(from, to, message);
    });
  }
}
