import type { PeerMessage } from '../../src/peers/peer-message.ts';
import { RaftCore } from '../../src/raft/raft-core.ts';
import { type ReplicaLimits, replicaLimits } from '../../src/replica/ports.ts';
import { Replica } from '../../src/replica/replica.ts';
import { ReplicaStore } from '../../src/replica/replica-store.ts';
import { StateMachine } from '../../src/state-machine/state-machine.ts';
import type { Transaction } from '../../src/state-machine/transaction.ts';
import { HeldLog } from './held-log.ts';

export const heartbeatMs = 100;
export const electionTimeoutMs = 1_000;
const electionTicks = electionTimeoutMs / heartbeatMs;

interface Letter {
  readonly from: string;
  readonly to: string;
  readonly message: PeerMessage;
}

export interface TestMember {
  readonly name: string;
  readonly log: HeldLog;
  core: RaftCore;
  replica: Replica;
  store: ReplicaStore;
  isUp: boolean;
  /** Everything that it sent, lost or not. */
  readonly sent: Letter[];
  readonly fatal: Error[];
  readonly warnings: string[];
  turns: (() => void)[];
}

/** Replicas wired in memory: no time passes and no message moves but by the methods of this class. */
export class TestCluster {
  nowMs = 0;
  readonly members: readonly TestMember[];
  /** Which messages get lost on their way. */
  loses: (letter: Letter) => boolean = () => false;
  readonly #limits: ReplicaLimits;
  readonly #names: readonly string[];
  #mail: Letter[] = [];
  #seed = 1;

  constructor(size: number, limits: Partial<ReplicaLimits> = {}) {
    this.#limits = { ...replicaLimits, ...limits };
    this.#names = Array.from({ length: size }, (_, i) => `m${i}`);
    this.members = this.#names.map((name) => this.#open(name, new HeldLog()));
  }

  member(position: number): TestMember {
    const member = this.members[position];
    if (member === undefined) throw new Error(`there is no member ${position}`);
    return member;
  }

  get leader(): TestMember {
    const leaders = this.members.filter((member) => member.isUp && member.store.leadership.role === 'leader');
    const leader = leaders.reduce<TestMember | undefined>(
      (best, one) => (best === undefined || one.core.term > best.core.term ? one : best),
      undefined,
    );
    if (leader === undefined) throw new Error('there is no leader');
    return leader;
  }

  get followers(): readonly TestMember[] {
    const { leader } = this;
    return this.members.filter((member) => member.isUp && member !== leader);
  }

  /** Any follower. */
  get follower(): TestMember {
    const [follower] = this.followers;
    if (follower === undefined) throw new Error('there is no follower');
    return follower;
  }

  /** Runs turns, writes and messages until nothing moves any more. */
  settle(): void {
    for (let round = 0; round < 10_000; round++) {
      if (!this.#runTurns() && !this.#deliver()) return;
    }
    throw new Error('the cluster does not come to rest');
  }

  /** Lets `ms` pass, heartbeat by heartbeat. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += heartbeatMs) {
      this.nowMs += heartbeatMs;
      for (const member of this.members) if (member.isUp) member.replica.tick();
      this.settle();
    }
  }

  /** Waits for a leader that a follower knows too. */
  elect(): TestMember {
    for (let i = 0; i < 100; i++) {
      this.pass(heartbeatMs);
      const up = this.members.filter((member) => member.isUp);
      const { leader, term } = up.at(-1)?.store.leadership ?? { leader: null, term: 0 };
      if (leader !== null && up.every((one) => one.core.leader === leader && one.core.term === term)) {
        return this.leader;
      }
    }
    throw new Error('no leader was elected');
  }

  /** Nothing reaches or leaves `member`. */
  isolate(member: TestMember): void {
    this.loses = ({ from, to }) => from === member.name || to === member.name;
  }

  heal(): void {
    this.loses = () => false;
  }

  crash(member: TestMember): void {
    member.isUp = false;
    member.turns = [];
    member.log.crash();
    this.#mail = this.#mail.filter(({ from }) => from !== member.name);
  }

  restart(member: TestMember): void {
    const { core, replica, store } = this.#open(member.name, member.log, member);
    Object.assign(member, { core, replica, store, isUp: true });
  }

  #runTurns(): boolean {
    let moved = false;
    for (const member of this.members) {
      if (!member.isUp) continue;
      const turns = member.turns;
      member.turns = [];
      for (const turn of turns) turn();
      moved = member.log.flush() || turns.length > 0 || moved;
    }
    return moved;
  }

  #deliver(): boolean {
    const mail = this.#mail;
    this.#mail = [];
    for (const letter of mail) {
      const to = this.members.find((member) => member.name === letter.to);
      if (to?.isUp === true && !this.loses(letter)) to.replica.receive(letter.from, letter.message);
    }
    return mail.length > 0;
  }

  #random(): number {
    this.#seed = (this.#seed * 48_271) % 2_147_483_647;
    return this.#seed / 2_147_483_647;
  }

  #open(name: string, log: HeldLog, known?: TestMember): TestMember {
    const random = () => this.#random();
    const core = new RaftCore({
      member: name,
      voters: this.#names,
      hardState: log.hardState,
      entries: [...log.entries],
      electionTicks,
      heartbeatTicks: 1,
      random,
    });
    const fresh: Omit<TestMember, 'core' | 'replica' | 'store'> = {
      name,
      log,
      sent: [],
      fatal: [],
      warnings: [],
      turns: [],
      isUp: true,
    };
    const member = known ?? fresh;
    const replica = new Replica({
      member: name,
      core,
      stateMachine: new StateMachine(),
      ports: {
        log,
        // No test here goes far enough for a checkpoint; the real ones are in member.test.ts.
        checkpoint: { write: () => undefined },
        sendSnapshot: (_needed, done) => done(null),
        send: (to, message) => {
          const letter = { from: name, to, message };
          member.sent.push(letter);
          this.#mail.push(letter);
        },
        schedule: (turn) => member.turns.push(turn),
        now: () => this.nowMs,
        random,
      },
      limits: this.#limits,
      electionTimeoutMs,
      electionTicks,
      logger: {
        info: () => undefined,
        warn: (_facts, event) => member.warnings.push(event),
        error: (_facts, event) => member.warnings.push(event),
      },
      onFatal: (error) => member.fatal.push(error),
    });
    return Object.assign(member, { core, replica, store: new ReplicaStore(name, replica) });
  }
}

/** What has become of a promise, looked at from outside. */
export interface Watched<T> {
  value: T | undefined;
  error: unknown;
  isSettled: boolean;
}

export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: Watched<T> = { value: undefined, error: undefined, isSettled: false };
  promise.then(
    (value) => Object.assign(watched, { value, isSettled: true }),
    (error: unknown) => Object.assign(watched, { error, isSettled: true }),
  );
  return watched;
}

/** Lets promise callbacks run. */
export async function breathe(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

export function set(field: string, value = 'v', hashset = 'h'): Transaction {
  return { checks: [], writes: [{ write: 'set', hashset, field, value: Buffer.from(value) }] };
}
