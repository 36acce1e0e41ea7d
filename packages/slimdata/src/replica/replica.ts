import assert from 'node:assert/strict';
import type { Logger } from '../logger.ts';
import type { PeerMessage } from '../peers/peer-message.ts';
import type { RaftCore } from '../raft/raft-core.ts';
import type {
  Effects,
  Envelope,
  Leadership,
  LogPosition,
  MemberName,
  PersistEffect,
  ReceivedSnapshot,
} from '../raft/types.ts';
import type { Outcome, StateMachine } from '../state-machine/state-machine.ts';
import type { StateView, Transaction, TransactionResult } from '../state-machine/transaction.ts';
import type { Change } from '../store.ts';
import { Applier } from './applier.ts';
import { Checkpoints } from './checkpoints.ts';
import { Inbox, type Mail } from './inbox.ts';
import { Listeners } from './listeners.ts';
import type { ReplicaLimits, ReplicaPorts, Settle } from './ports.ts';
import { ProposalRoute } from './proposal-route.ts';
import { Proposals } from './proposals.ts';
import { Reads } from './reads.ts';
import { MemberSession } from './session.ts';
import { Timekeeper } from './timekeeper.ts';

export interface ReplicaOptions {
  readonly member: MemberName;
  readonly core: RaftCore;
  /** As of the checkpoint that the core starts from, or empty. */
  readonly stateMachine: StateMachine;
  readonly ports: ReplicaPorts;
  readonly limits: ReplicaLimits;
  /** Lower bound of the election timeout, in milliseconds and in ticks. */
  readonly electionTimeoutMs: number;
  readonly electionTicks: number;
  readonly logger: Logger;
  /** Called once, when the loop cannot go on; nothing is sent, written or applied after it. */
  readonly onFatal: (error: Error) => void;
}

/**
 * The one loop that drives the core. What happens between two turns is collected; a turn feeds all of it to the
 * core, takes the effects once and persists them once, so all that one turn of the event loop brings shares a write.
 * Synchronous and callback-based throughout: a simulator that owns the ports owns every step.
 */
export class Replica {
  readonly leadershipListeners = new Listeners<Leadership>();
  readonly changeListeners = new Listeners<Change>();
  readonly #options: ReplicaOptions;
  readonly #core: RaftCore;
  readonly #ports: ReplicaPorts;
  readonly #timekeeper: Timekeeper;
  #stateMachine: StateMachine;
  readonly #inbox: Inbox;
  readonly #proposals: Proposals;
  readonly #reads: Reads;
  readonly #route: ProposalRoute;
  readonly #applier: Applier;
  readonly #checkpoints: Checkpoints;
  #leadership: Leadership;
  /** The leader that was asked last. */
  #followed: { readonly leader: MemberName | null; readonly term: number } = { leader: null, term: 0 };
  #leaderChanges = 0;
  /** In order of the last message. */
  readonly #heard = new Set<MemberName>();
  #scheduled = false;
  /** A snapshot takes the place of the state: nothing is applied meanwhile. */
  #paused = false;
  #stopped = false;

  constructor(options: ReplicaOptions) {
    const { member, core, stateMachine, ports, limits } = options;
    this.#options = options;
    this.#core = core;
    this.#ports = ports;
    this.#stateMachine = stateMachine;
    this.#inbox = new Inbox(limits.inboxMax);
    const session = new MemberSession(member, ports.random, limits.resendMs);
    this.#proposals = new Proposals(limits, session);
    this.#reads = new Reads(limits, Math.floor(ports.random() * 2 ** 48));
    this.#route = new ProposalRoute(options, this.#proposals);
    this.#applier = new Applier(stateMachine, limits.applySliceMs, ports.now);
    const { log, checkpoint: port } = ports;
    this.#checkpoints = new Checkpoints({ core, log, port, limits, writtenIndex: stateMachine.appliedIndex });
    this.#leadership = { role: core.role, term: core.term, leader: core.leader };
    this.#timekeeper = new Timekeeper(options, ports.now());
    this.#wake();
  }

  get view(): StateView {
    return this.#stateMachine;
  }

  get leadership(): Leadership {
    return this.#leadership;
  }

  get proposalsPending(): number {
    return this.#proposals.size;
  }

  /** Times that this member learned of a leader it did not know before. */
  get leaderChangesTotal(): number {
    return this.#leaderChanges;
  }

  /** Peers by when they were last heard, the latest first; without those that were lost since. */
  get peersHeard(): readonly MemberName[] {
    return [...this.#heard].reverse();
  }

  receive(from: MemberName, message: PeerMessage): void {
    this.#inbox.receive(from, message);
    this.#wake();
  }

  unreachable(peer: MemberName): void {
    this.#inbox.unreachable(peer);
    this.#wake();
  }

  /** The heartbeat interval has passed. Taken up after the mail that waits, and once however often it was due. */
  tick(): void {
    this.#inbox.tick();
    this.#wake();
  }

  /** Proposes a transaction and settles it when this member has applied it. Returns what ends the caller's wait. */
  transact(
    transaction: Transaction,
    deadlineMs: number,
    settle: Settle<TransactionResult>,
  ): (cause: unknown) => void {
    const now = this.#ports.now();
    const sequence = this.#proposals.submit(transaction, now, now + deadlineMs, settle);
    this.#wake();
    return (cause) => this.#proposals.abort(sequence, cause);
  }

  /** Settles when `view` reflects all that was acknowledged before this call. Returns what ends the caller's wait. */
  read(deadlineMs: number, settle: Settle<null>): (cause: unknown) => void {
    const end = this.#reads.submit(this.#ports.now() + deadlineMs, settle);
    this.#wake();
    return end;
  }

  /** True if a snapshot of this position would bring anything here. */
  wantsSnapshot(position: LogPosition): boolean {
    return !this.#stopped && this.#core.wantsSnapshot(position);
  }

  /** Stops applying and checkpoints until `resume`; calls back once both rest. */
  pause(onPaused: () => void): void {
    this.#paused = true;
    this.#checkpoints.pause(onPaused);
  }

  resume(): void {
    this.#paused = false;
    this.#checkpoints.resume();
    this.#wake();
  }

  /** A snapshot is durable here in place of the checkpoint, and `stateMachine` is its state. Only while paused. */
  restore(stateMachine: StateMachine, snapshot: ReceivedSnapshot): void {
    this.#guarded(() => {
      assert(this.#paused, 'a snapshot is restored while nothing is applied');
      this.#core.restore(snapshot);
      this.#stateMachine = stateMachine;
      this.#applier.replace(stateMachine);
      this.#checkpoints.restored(stateMachine.appliedIndex);
      this.#proposals.restored((session) => stateMachine.answersOf(session), this.#ports.now());
      const hashsets = new Set(stateMachine.hashsets(''));
      this.changeListeners.notify({ index: stateMachine.appliedIndex, hashsets, replaced: true });
    });
    this.#wake();
  }

  /** Begins to hand leadership to `to`. Returns whether it has begun; whether it succeeds shows in `leadership`. */
  transferLeadership(to: MemberName): boolean {
    let hasBegun = false;
    this.#guarded(() => {
      hasBegun = this.#core.transferLeadership(to) === 'started';
    });
    this.#wake();
    return hasBegun;
  }

  /** Ends the loop and settles what is pending with an error that says `why`. */
  stop(why: string): void {
    this.#stopped = true;
    this.#proposals.stop(why);
    this.#reads.stop(why);
  }

  /** Something that this member cannot do without has failed: stops, and reports it once. */
  fail(error: Error): void {
    if (this.#stopped) return;
    this.stop(`This member failed (${error.message})`);
    this.#options.onFatal(error);
  }

  #wake(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#ports.schedule(() => {
      this.#scheduled = false;
      this.#guarded(() => this.#turn(this.#ports.now()));
    });
  }

  /** Runs one step of the loop; what it throws is a broken invariant. */
  #guarded(step: () => void): void {
    if (this.#stopped) return;
    try {
      step();
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #turn(now: number): void {
    const post = this.#inbox.take();
    this.#timekeeper.beforeMail(now);
    for (const token of post.durable) this.#core.persisted(token);
    for (const mail of post.mail) this.#deliver(mail, now);
    for (const peer of post.unreachable) this.#lose(peer, now);
    for (const { peer, index } of post.snapshots) {
      if (index === null) this.#core.snapshotFailed(peer);
      else this.#core.snapshotSent(peer, index);
    }
    if (post.tick) this.#onTick(now);
    this.#ask(now);
    this.#carryOut(this.#core.takeEffects(), now);
    this.#apply(now);
  }

  #deliver({ from, message }: Mail, now: number): void {
    this.#heard.delete(from);
    this.#heard.add(from);
    if (message.type === 'Propose') this.#route.receive(from, message);
    else if (message.type === 'ProposeRefused') this.#route.refused(message, now);
    else this.#core.receive(from, message);
  }

  #lose(peer: MemberName, now: number): void {
    this.#core.unreachable(peer);
    this.#heard.delete(peer);
    if (peer !== this.#leadership.leader) return;
    const again = now + this.#options.limits.retryMs;
    this.#proposals.sendAgain(again);
    this.#reads.sendAgain(again);
  }

  #onTick(now: number): void {
    this.#timekeeper.tick(now);
    this.#proposals.expire(now);
    this.#reads.expire(now);
  }

  /** Puts what callers wait for to the core or on its way to the leader. */
  #ask(now: number): void {
    const { leader, term } = this.#core;
    if (leader !== null) this.#follow(leader, term, now);
    this.#route.run(leader, this.#applier.backlog > this.#options.limits.applyBacklogMax, now);
    const request = leader === null ? null : this.#reads.takeDue(now);
    if (request !== null) this.#core.readIndex(request);
  }

  /** What an earlier leader was asked may have been lost with it; the new one is asked again. */
  #follow(leader: MemberName, term: number, now: number): void {
    if (leader === this.#followed.leader && term === this.#followed.term) return;
    this.#followed = { leader, term };
    this.#leaderChanges++;
    this.#proposals.sendAgain(now);
    this.#reads.sendAgain(now);
  }

  #carryOut(effects: Effects, now: number): void {
    this.#sendAll(effects.sendNow);
    if (effects.persist !== null) this.#persist(effects.persist);
    this.#applier.push(effects.committed);
    for (const needed of effects.snapshotsNeeded) {
      this.#ports.sendSnapshot(needed, (index) => {
        this.#inbox.snapshotEnded(needed.to, index);
        this.#wake();
      });
    }
    for (const answer of effects.readReady) {
      this.#reads.ready(answer, now + this.#options.limits.retryMs);
    }
    if (effects.leadership !== null) this.#changeLeadership(effects.leadership);
  }

  /** Promises leave, and the core counts them, only when what they rest on is durable. */
  #persist({ token, sendAfterDurable, ...batch }: PersistEffect): void {
    this.#ports.log.append(batch, () => {
      this.#guarded(() => {
        this.#sendAll(sendAfterDurable);
        this.#inbox.durable(token);
        this.#wake();
      });
    });
  }

  #sendAll(envelopes: readonly Envelope[]): void {
    for (const { to, message } of envelopes) this.#ports.send(to, message);
  }

  #changeLeadership(leadership: Leadership): void {
    this.#leadership = leadership;
    this.#options.logger.info({ ...leadership }, 'leadership_changed');
    this.leadershipListeners.notify(leadership);
  }

  #apply(now: number): void {
    if (this.#paused) return;
    this.#applier.run((outcome, entry) => {
      this.#checkpoints.applied(entry);
      this.#onApplied(outcome, entry.index, now);
    });
    this.#checkpoints.run(this.#stateMachine, (step) => this.#guarded(step));
    this.#reads.applied(this.#stateMachine.appliedIndex);
    if (this.#applier.backlog > 0) this.#wake();
  }

  #onApplied(outcome: Outcome, index: number, now: number): void {
    switch (outcome.type) {
      case 'nothing':
        return;
      case 'malformed':
        this.#options.logger.error({ index }, 'malformed_command_skipped');
        return;
      case 'sessionOpened':
        if (this.#proposals.sessionOpened(outcome, now)) this.#wake();
        return;
      case 'transaction':
        this.#proposals.applied(outcome, now);
        if (outcome.result === 'session_expired') this.#wake();
        if (outcome.touched.size > 0) this.changeListeners.notify({ index, hashsets: outcome.touched });
    }
  }
}
