import { RaftCore } from '../../src/raft/raft-core.ts';
import { Chaos } from './chaos.ts';
import { ElectionChecker } from './election-checker.ts';
import { EventQueue } from './event-queue.ts';
import { LogChecker } from './log-checker.ts';
import { Marks } from './marks.ts';
import { Network } from './network.ts';
import { Prng } from './prng.ts';
import { Recovery } from './recovery.ts';
import { calmScenario, type Scenario } from './scenario.ts';
import { drawScenario } from './scenario-biases.ts';
import { SendChecker } from './send-checker.ts';
import { type CreateCore, SimulatedMember } from './simulated-member.ts';
import { Trace } from './trace.ts';
import { Violation } from './violation.ts';
import { Workload } from './workload.ts';
import { type Mutation, note, type World } from './world.ts';

/** Far beyond any run: more is a storm of messages that never ends. */
const eventsMax = 1_000_000;

export interface SimulationOptions {
  readonly seed: number;
  /** Keep so many last lines of the trace as text; slow. Default 0; a failing seed is replayed with 50. */
  readonly traceLines?: number;
  /** Makes the deliberate mistake of this run. */
  readonly createMutation?: () => Mutation;
  /** False leaves out the checks that see a broken rule itself and not its consequences. Default true. */
  readonly direct?: boolean;
  /** Changes what the seed drew. */
  readonly scenario?: (drawn: Scenario) => Scenario;
}

/** A whole cluster in one thread and in virtual time. Everything follows from the seed. */
export class Simulation {
  readonly #world: World;
  readonly #chaos: Chaos;
  readonly #workload: Workload;
  readonly #elections: ElectionChecker;
  /** The liveness phase; null = not yet begun. */
  #recovery: Recovery | null = null;
  /** True: the liveness phase is about all members. */
  #isComplete = false;
  #done = false;
  #tick = 0;

  constructor(options: SimulationOptions) {
    const random = new Prng(options.seed);
    const drawn = drawScenario(random.fork());
    const scenario = options.scenario?.(drawn) ?? drawn;
    const marks = new Marks();
    const queue = new EventQueue();
    const members: SimulatedMember[] = [];
    const direct = options.direct ?? true;
    const elections = new ElectionChecker(marks, direct);
    const logs = new LogChecker(members, marks, (id) => id < this.#world.nextId, direct);
    const network = new Network(scenario.members, scenario.network, queue, random.fork(), marks, {
      deliver: (from, to, message) => members[to]?.receive(`m${from}`, message),
      unreachable: (from, to) => members[from]?.unreachable(`m${to}`),
    });
    this.#elections = elections;
    this.#world = {
      queue,
      random: random.fork(),
      trace: new Trace(options.traceLines ?? 0),
      marks,
      network,
      members,
      elections,
      logs,
      sends: new SendChecker(elections, logs, marks, direct),
      mutation: options.createMutation?.() ?? {},
      scenario,
      events: 0,
      nextId: 1,
    };
    this.#chaos = new Chaos(this.#world, random.fork());
    this.#workload = new Workload(this.#world, random.fork());
    const createCore = this.#coreFactory(random.fork());
    for (let position = 0; position < scenario.members; position++) {
      members.push(new SimulatedMember(position, this.#world, random.fork(), createCore));
    }
  }

  get events(): number {
    return this.#world.events;
  }

  /** Entries that were committed. */
  get committed(): number {
    return this.#world.logs.chosenLength;
  }

  get marks(): Marks {
    return this.#world.marks;
  }

  get trace(): Trace {
    return this.#world.trace;
  }

  /**
   * Runs both phases to the end. @throws Violation, or what the core throws, at the event where it happens.
   */
  run(): void {
    const world = this.#world;
    this.#scheduleTick();
    while (!this.#done) {
      world.events += 1;
      if (world.events > eventsMax) {
        throw new Violation('bounded work', `the run does not end within ${eventsMax} events`);
      }
      world.queue.runNext();
      world.trace.fold(world.queue.now);
    }
    this.#finish();
  }

  #coreFactory(random: Prng): CreateCore {
    const world = this.#world;
    const { bounds, electionTicks, heartbeatTicks, members } = world.scenario;
    const voters = Array.from({ length: members }, (_, position) => `m${position}`);
    return (member, { hardState, entries }) => {
      const luck = random.fork();
      const core = new RaftCore({
        ...bounds,
        member: member.name,
        voters,
        hardState,
        entries,
        electionTicks,
        heartbeatTicks,
        random: () => luck.fraction(),
      });
      return world.mutation.core?.(core, member) ?? core;
    };
  }

  #scheduleTick(): void {
    const world = this.#world;
    world.queue.schedule(world.scenario.tickUnits, () => {
      this.#scheduleTick();
      this.#tick += 1;
      if (this.#tick <= world.scenario.safetyTicks) {
        this.#workload.tick();
        this.#chaos.tick();
      } else if (this.#recovery === null) {
        this.#calmDown();
      } else {
        this.#recover(this.#recovery);
      }
    });
  }

  #calmDown(): void {
    const world = this.#world;
    note(world, () => 'the faults end');
    world.scenario = calmScenario(world.scenario);
    world.network.scenario = world.scenario.network;
    for (const member of world.members) {
      member.disk.scenario = world.scenario.disk;
    }
    this.#recovery = new Recovery(world, this.#workload, this.#chaos.stopAllButLost());
  }

  /** First the majority that is well must do without the others, then all together. */
  #recover(recovery: Recovery): void {
    recovery.tick();
    if (!recovery.done) {
      return;
    }
    if (this.#isComplete) {
      this.#done = true;
    } else {
      note(this.#world, () => 'all members are well');
      this.#chaos.stop();
      this.#isComplete = true;
      this.#recovery = new Recovery(this.#world, this.#workload, this.#world.members);
    }
  }

  #finish(): void {
    const { logs, marks, scenario } = this.#world;
    this.#elections.markSplits();
    if (logs.chosenLength > 0 && scenario.members === 1) {
      marks.hit('cluster of one committed');
    }
    if (logs.chosenLength > 0 && scenario.members === 7) {
      marks.hit('cluster of seven committed');
    }
  }
}
