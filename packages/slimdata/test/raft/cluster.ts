import assert from 'node:assert/strict';
import type { MemberChange } from '../../src/raft/configuration.ts';
import { decodeConfiguration, encodeConfiguration } from '../../src/raft/configuration-codec.ts';
import type { RaftCore } from '../../src/raft/raft-core.ts';
import type { RaftOptions } from '../../src/raft/raft-options.ts';
import type { RestoreResult } from '../../src/raft/snapshot.ts';
import {
  type Configuration,
  type Entry,
  EntryKind,
  type HardState,
  type LogPosition,
  type MemberName,
  type PersistEffect,
  type RaftMessage,
  type ReadReady,
  type ReceivedSnapshot,
  type SnapshotPosition,
} from '../../src/raft/types.ts';
import { createCore, ELECTION_TICKS, tick } from './core-fixture.ts';

export interface Sent {
  readonly from: MemberName;
  readonly to: MemberName;
  readonly message: RaftMessage;
}

/** Applied state on the disk; the state is simply the list of what was applied. */
interface Checkpoint extends SnapshotPosition {
  readonly applied: readonly Entry[];
}

/** A snapshot on its way, or the report that one was asked for. */
export interface Transfer extends ReceivedSnapshot {
  readonly to: MemberName;
  readonly applied: readonly Entry[];
}

/** What a crash leaves. */
interface TestDisk {
  hardState: HardState;
  base: LogPosition;
  entries: Entry[];
  checkpoint: Checkpoint | null;
}

/** One member with the disk that its core writes to. */
export interface TestMember {
  core: RaftCore;
  readonly disk: TestDisk;
  /** Written, not durable yet; empty while `diskStalled` is false. */
  writes: PersistEffect[];
  diskStalled: boolean;
  /** Everything that was applied, also by way of a checkpoint or snapshot. */
  readonly committed: Entry[];
  readonly reads: ReadReady[];
  /** Configurations that were reported, in order. */
  readonly configurations: Configuration[];
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
  /** Snapshots on the way; taken by `settle` once no message is left, unless `snapshotsHeld`. */
  snapshots: Transfer[] = [];
  snapshotsHeld = false;
  /** Messages for which this is true are lost. */
  lose: (sent: Sent) => boolean = () => false;
  readonly #options: Partial<RaftOptions>;
  readonly #joining = new Set<MemberName>();

  /** @param logs terms of the entries that a member starts with; its term is that of the last one. */
  constructor(
    names: readonly MemberName[],
    options: Partial<RaftOptions> = {},
    logs: ReadonlyMap<MemberName, readonly Entry[]> = new Map(),
  ) {
    this.#options = { voters: names, ...options };
    for (const name of names) {
      this.#start(name, [...(logs.get(name) ?? [])]);
    }
  }

  /** Starts members with empty disks that do not know whom they belong to. */
  join(...names: MemberName[]): void {
    for (const name of names) {
      this.#joining.add(name);
      this.#start(name, []);
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
      if (next === undefined && !this.snapshotsHeld && this.deliverSnapshot()) {
        continue;
      }
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
    const { sendNow, persist, committed, readReady, ...effects } = member.core.takeEffects();
    this.#send(name, sendNow);
    if (effects.configurationChanged !== null) {
      member.configurations.push(effects.configurationChanged);
    }
    for (const { to, leaderTerm, index } of effects.snapshotsNeeded) {
      const checkpoint = member.disk.checkpoint;
      assert(checkpoint !== null && checkpoint.index >= index, `"${name}" has no snapshot of ${index}`);
      this.snapshots.push({ ...checkpoint, from: name, to, leaderTerm });
    }
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
    if (write.snapshot !== null) {
      assert(disk.checkpoint !== null && disk.checkpoint.index >= write.snapshot.index);
      disk.base = write.snapshot;
      disk.entries = [];
    }
    if (write.truncateFrom !== null) {
      disk.entries.length = write.truncateFrom - disk.base.index - 1;
    }
    for (const entry of write.entries) {
      assert.equal(entry.index, disk.base.index + disk.entries.length + 1, 'the log on the disk has a gap');
      disk.entries.push(entry);
    }
    this.#send(name, write.sendAfterDurable);
    core.persisted(write.token);
    return true;
  }

  /** Makes a checkpoint of all that `name` has applied, and removes the log up to `index`, or all of that. */
  compact(name: MemberName, index?: number): void {
    const { core, disk, committed } = this.member(name);
    const last = committed.at(-1);
    if (last === undefined || core.configurationAt(last.index).voters.size === 0) {
      // Nothing to keep, or it does not know yet whom it belongs to: others could not learn it from its checkpoint.
      return;
    }
    if (last.index > (disk.checkpoint?.index ?? 0)) {
      const configuration = decodeConfiguration(encodeConfiguration(core.configurationAt(last.index)));
      disk.checkpoint = { index: last.index, term: last.term, configuration, applied: [...committed] };
    }
    const end = index ?? last.index;
    core.compact(end);
    const removed = disk.entries[end - disk.base.index - 1];
    if (removed !== undefined) {
      disk.entries = disk.entries.slice(end - disk.base.index);
      disk.base = { index: end, term: removed.term };
    }
  }

  /** The oldest snapshot under way arrives, or is lost like a message. @returns false if there is none. */
  deliverSnapshot(): boolean {
    const transfer = this.snapshots.shift();
    if (transfer === undefined) {
      return false;
    }
    const { from, to, term, index } = transfer;
    const probe: Sent = { from, to, message: { type: 'TimeoutNow', term } };
    if (this.lose(probe)) {
      this.core(from).snapshotFailed(to);
    } else {
      this.restore(transfer);
      this.core(from).snapshotSent(to, index);
    }
    return true;
  }

  /** A snapshot has come to its receiver in full. */
  restore({ to, applied, ...snapshot }: Transfer): RestoreResult | 'unwanted' {
    const { core, disk, committed } = this.member(to);
    if (!core.wantsSnapshot(snapshot)) {
      return 'unwanted';
    }
    const { index, term, configuration } = snapshot;
    disk.checkpoint = { index, term, configuration, applied };
    const result = core.restore(snapshot);
    if (result === 'restored') {
      committed.splice(0, committed.length, ...applied);
    }
    return result;
  }

  /** Stops `name` without warning and starts it again from its disk. Messages under way stay under way. */
  crash(name: MemberName): void {
    const member = this.member(name);
    member.writes = [];
    member.committed.splice(0, member.committed.length, ...(member.disk.checkpoint?.applied ?? []));
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

  /** Asks `name` for a change of membership. */
  change(name: MemberName, ...changes: readonly (readonly [MemberChange['type'], MemberName])[]): string {
    const changed = this.core(name).changeMembership(changes.map(([type, member]) => ({ type, member })));
    return changed.result === 'invalid' ? `invalid: ${changed.reason}` : changed.result;
  }

  /** Proposes at `name`; true if it was taken. */
  propose(name: MemberName, ...commands: string[]): boolean {
    return this.core(name).propose(commands.map((command) => Buffer.from(command))) === 'accepted';
  }

  /** Committed commands of `name`. */
  commands(name: MemberName): string[] {
    return this.member(name)
      .committed.filter(({ kind }) => kind === EntryKind.Command)
      .map((entry) => Buffer.from(entry.payload).toString());
  }

  #start(name: MemberName, entries: Entry[]): void {
    const hardState = { term: entries.at(-1)?.term ?? 0, votedFor: null };
    const disk = { hardState, base: { index: 0, term: 0 }, entries, checkpoint: null };
    this.members.set(name, {
      core: this.#createCore(name, disk),
      disk,
      writes: [],
      diskStalled: false,
      committed: [],
      reads: [],
      configurations: [],
    });
  }

  #createCore(name: MemberName, { hardState, base, entries, checkpoint }: TestDisk): RaftCore {
    return createCore({
      ...this.#options,
      ...(this.#joining.has(name) ? { voters: [] } : {}),
      ...(checkpoint === null ? {} : { checkpoint }),
      member: name,
      hardState,
      base,
      entries: [...entries],
    });
  }

  #send(from: MemberName, envelopes: readonly { to: MemberName; message: RaftMessage }[]): void {
    const sent = envelopes.map(({ to, message }) => ({ from, to, message }));
    this.sent.push(...sent);
    this.queue.push(...sent);
  }
}
