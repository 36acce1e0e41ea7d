import type { RaftCore } from '../../src/raft/raft-core.ts';
import type { RaftOptions } from '../../src/raft/raft-options.ts';
import type {
  Entry,
  HardState,
  MemberName,
  PersistEffect,
  RaftMessage,
  ReadReady,
} from '../../src/raft/types.ts';
import { createCore, ELECTION_TICKS, tick } from './core-fixture.ts';

export interface Sent {
  readonly from: MemberName;
  readonly to: MemberName;
  readonly message: RaftMessage;
}

/** One member with the disk that its core writes to. */
export interface TestMember {
  core: RaftCore;
  /** What a crash leaves. */
  readonly disk: { hardState: HardState; entries: Entry[] };
  /** Written, not durable yet; empty while `diskStalled` is false. */
  writes: PersistEffect[];
  diskStalled: boolean;
  readonly committed: Entry[];
  readonly reads: ReadReady[];
}

/**
 * A few members and an orderly network between them, everything moved by hand: nothing happens but through
 * `settle`, and then in a fixed order. For scenarios that can be told; disorder is the simulation's part.
 */
export class Cluster {
  readonly members = new Map<MemberName, TestMember>();
  /** Everything sent since the beginning, lost or not. */
  readonly sent: Sent[] = [];
  /** On the way. */
  queue: Sent[] = [];
  /** Messages for which this is true are lost. */
  lose: (sent: Sent) => boolean = () => false;
  readonly #options: Partial<RaftOptions>;

  /** @param logs terms of the entries that a member starts with; its term is that of the last one. */
  constructor(
    names: readonly MemberName[],
    options: Partial<RaftOptions> = {},
    logs: ReadonlyMap<MemberName, readonly Entry[]> = new Map(),
  ) {
    this.#options = { voters: names, ...options };
    for (const name of names) {
      const entries = [...(logs.get(name) ?? [])];
      const disk = { hardState: { term: entries.at(-1)?.term ?? 0, votedFor: null }, entries };
      this.members.set(name, {
        core: this.#createCore(name, disk),
        disk,
        writes: [],
        diskStalled: false,
        committed: [],
        reads: [],
      });
    }
  }

  member(name: MemberName): TestMember {
    const member = this.members.get(name);
    if (member === undefined) {
      throw new Error(`no member "${name}"`);
    }
    return member;
  }

  core(name: MemberName): RaftCore {
    return this.member(name).core;
  }

  /** Members that are leader now. */
  leaders(): MemberName[] {
    return [...this.members].filter(([, { core }]) => core.role === 'leader').map(([name]) => name);
  }

  /** Performs effects and delivers messages until nothing is left to do. */
  settle(): void {
    for (let steps = 0; steps < 10_000; steps += 1) {
      this.performAll();
      const next = this.queue.shift();
      if (next === undefined) {
        return;
      }
      if (!this.lose(next)) {
        this.core(next.to).receive(next.from, next.message);
      }
    }
    throw new Error('the cluster does not come to rest');
  }

  /** Performs the effects of every member; messages wait in `queue`. */
  performAll(): void {
    for (const name of this.members.keys()) {
      while (this.perform(name)) {
        // Until it asks for nothing more.
      }
    }
  }

  /** Takes and performs effects of one member once. @returns false if there was nothing to do. */
  perform(name: MemberName): boolean {
    const member = this.member(name);
    const { sendNow, persist, committed, readReady } = member.core.takeEffects();
    this.#send(name, sendNow);
    member.committed.push(...committed);
    member.reads.push(...readReady);
    if (persist !== null) {
      member.writes.push(persist);
    }
    const wrote = !member.diskStalled && this.completeWrite(name);
    return wrote || sendNow.length + committed.length + readReady.length > 0 || persist !== null;
  }

  /** The oldest write of `name` becomes durable. @returns false if there is none. */
  completeWrite(name: MemberName): boolean {
    const member = this.member(name);
    const write = member.writes.shift();
    if (write === undefined) {
      return false;
    }
    const { disk, core } = member;
    disk.hardState = write.hardState ?? disk.hardState;
    disk.entries.length = (write.truncateFrom ?? disk.entries.length + 1) - 1;
    disk.entries.push(...write.entries);
    this.#send(name, write.sendAfterDurable);
    core.persisted(write.token);
    return true;
  }

  /** Stops `name` without warning and starts it again from its disk. Messages under way stay under way. */
  crash(name: MemberName): void {
    const member = this.member(name);
    member.writes = [];
    member.committed.length = 0;
    member.core = this.#createCore(name, member.disk);
  }

  /** Nothing reaches `names` any more, and nothing of theirs reaches the others. */
  isolate(...names: MemberName[]): void {
    this.lose = ({ from, to }) => names.includes(from) !== names.includes(to);
  }

  heal(): void {
    this.lose = () => false;
  }

  /** Time passes for `names`, or for all, in single ticks with everything delivered in between. */
  tick(count: number, names: readonly MemberName[] = [...this.members.keys()]): void {
    for (let i = 0; i < count; i += 1) {
      for (const name of names) {
        this.core(name).tick();
      }
      this.settle();
    }
  }

  /** Makes `name` campaign now, its voters' loyalty to a leader notwithstanding, and settles. */
  elect(name: MemberName): void {
    const { core } = this.member(name);
    const other = [...this.members.keys()].find((peer) => peer !== name);
    if (core.role === 'follower' && other !== undefined) {
      core.receive(core.leader ?? other, { type: 'TimeoutNow', term: core.term });
    } else {
      tick(core, ELECTION_TICKS);
    }
    this.settle();
  }

  /** Proposes at `name`; true if it was taken. */
  propose(name: MemberName, ...commands: string[]): boolean {
    return this.core(name).propose(commands.map((command) => Buffer.from(command))) === 'accepted';
  }

  /** Committed commands of `name`, no-ops left out. */
  commands(name: MemberName): string[] {
    return this.member(name)
      .committed.filter((entry) => entry.payload.length > 0)
      .map((entry) => Buffer.from(entry.payload).toString());
  }

  #createCore(name: MemberName, disk: TestMember['disk']): RaftCore {
    return createCore({
      ...this.#options,
      member: name,
      hardState: disk.hardState,
      entries: [...disk.entries],
    });
  }

  #send(from: MemberName, envelopes: readonly { to: MemberName; message: RaftMessage }[]): void {
    const sent = envelopes.map(({ to, message }) => ({ from, to, message }));
    this.sent.push(...sent);
    this.queue.push(...sent);
  }
}
