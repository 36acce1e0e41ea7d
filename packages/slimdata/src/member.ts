import { createHash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from './logger.ts';
import { type HttpTransport, openHttpTransport } from './peers/http-transport.ts';
import type { SnapshotResult, SnapshotSource } from './peers/snapshot.ts';
import { RaftCore } from './raft/raft-core.ts';
import type { MemberName } from './raft/types.ts';
import { CheckpointWriter } from './replica/checkpoint-writer.ts';
import { handOver } from './replica/handover.ts';
import { type ReplicaLimits, type ReplicaPorts, replicaLimits } from './replica/ports.ts';
import { Replica } from './replica/replica.ts';
import { ReplicaStore } from './replica/replica-store.ts';
import { SnapshotExchange } from './replica/snapshot-exchange.ts';
import { openStorage, type Storage } from './storage.ts';
import type { Store } from './store.ts';
import { StoreApi } from './store-api/store-api.ts';

/** Where a member is reached by its peers, e.g. `http://slimfaas-0.slimfaas:3262`. */
export interface MemberAddress {
  readonly name: MemberName;
  readonly url: string;
}

export interface MemberOptions {
  readonly name: MemberName;
  /** All members, this one included. One entry = a cluster of one. */
  readonly members: readonly MemberAddress[];
  /** Raft volume. */
  readonly directory: string;
  /** Where peers reach this member; port 0 picks a free one (clusters of one only). */
  readonly host: string;
  readonly port: number;
  /** Shared secret of the peers' handshake; null = unauthenticated. */
  readonly clusterSecret: string | null;
  readonly heartbeatMs: number;
  /** Lower bound of the randomised election timeout [t, 2t). */
  readonly electionTimeoutMs: number;
  readonly logger: Logger;
  /** Bounds and sizes other than the default ones; for tests. */
  readonly limits?: Partial<ReplicaLimits>;
  /** Called once when the member cannot go on (a failed fsync, a broken invariant). The process must end. */
  readonly onFatal: (error: Error) => void;
}

/** A running member: the store, plus what its process needs. */
export interface Member extends Store, AsyncDisposable {
  /** The port that peers reach, as bound. */
  readonly port: number;
  /** Figures for /metrics. */
  statistics(): MemberStatistics;
  /** Ordered stop: no new proposals, hand over leadership, storage closed. */
  close(): Promise<void>;
}

export interface MemberStatistics {
  readonly term: number;
  readonly lastIndex: number;
  readonly committedIndex: number;
  readonly appliedIndex: number;
  readonly proposalsPending: number;
  readonly leaderChangesTotal: number;
}

/** What a leader takes on before it is committed; half of what the log can write at once. */
const uncommittedBytesMax = 16 * 1024 * 1024;

/**
 * Opens the storage, restores what it holds, and joins the cluster. Resolves before a leader is known; what the log
 * holds beyond the checkpoint is applied once a leader has committed it again.
 * @throws the storage's or the system's error when the directory or port cannot be used.
 */
export async function openMember(options: MemberOptions): Promise<Member> {
  const { directory, logger } = options;
  let member: RunningMember | null = null;
  const onFatal = (error: Error): void => (member === null ? options.onFatal(error) : member.fail(error));
  const storage = await openStorage({ directory, logger, onFatal });
  member = new RunningMember(options, storage);
  try {
    await member.listen(storage.recovered.diskId);
  } catch (error) {
    await member.close();
    throw error;
  }
  return member;
}

/** The composition of one member: core, replica, storage, transport and clock. */
class RunningMember extends ReplicaStore implements Member {
  readonly #options: MemberOptions;
  readonly #core: RaftCore;
  readonly #replica: Replica;
  readonly #storage: Storage;
  readonly #snapshots: SnapshotExchange;
  readonly #stopping: AbortController;
  #transport: HttpTransport | null = null;
  #api: StoreApi | null = null;
  #ticks: NodeJS.Timeout | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: MemberOptions, storage: Storage) {
    const { checkpoint, stateMachine } = storage;
    const { electionTimeoutMs, logger, onFatal } = options;
    const core = createCore(options, storage);
    const stopping = new AbortController();
    const { signal } = stopping;
    const onFailure = (error: Error): void => this.fail(error);
    // Until the transport is open there is nobody to send to; what is lost then is sent again.
    const ports: ReplicaPorts = {
      log: storage.log,
      checkpoint: new CheckpointWriter({ checkpoint, logger, signal, onFatal: onFailure }),
      sendSnapshot: (needed, done) => this.#snapshots.send(needed, done),
      send: (to, message) => this.#transport?.send(to, message),
      schedule: setImmediate,
      now: () => performance.now(),
      random: Math.random,
    };
    const replica = new Replica({
      electionTimeoutMs,
      electionTicks: electionTicksOf(options),
      member: options.name,
      core,
      stateMachine,
      ports,
      limits: { ...replicaLimits, ...options.limits },
      logger,
      onFatal,
    });
    super(options.name, replica);
    this.#options = options;
    this.#core = core;
    this.#replica = replica;
    this.#storage = storage;
    this.#stopping = stopping;
    this.#snapshots = new SnapshotExchange({
      checkpoint,
      target: replica,
      send: (to, source) => this.#sendSnapshot(to, source, signal),
      signal,
      logger,
    });
  }

  get port(): number {
    return this.#transport?.port ?? this.#options.port;
  }

  /** Opens the port, meets the peers, starts the clock. */
  async listen(diskId: string): Promise<void> {
    const { name, members, host, port, clusterSecret, logger, heartbeatMs } = this.#options;
    const api = new StoreApi({ service: this, clusterSecret, now: Date.now, logger });
    this.#api = api;
    this.#transport = await openHttpTransport({
      answerOther: (request, response) => api.answer(request, response),
      member: name,
      clusterId: clusterIdOf(members),
      diskId,
      clusterSecret,
      peers: members.filter((member) => member.name !== name),
      host,
      port,
      events: {
        onMessage: (from, message) => this.#replica.receive(from.name, message),
        onUnreachable: (peer) => this.#replica.unreachable(peer),
        onSnapshot: (from, offer) => this.#snapshots.receive(from.name, offer),
      },
      logger,
      random: Math.random,
    });
    this.#ticks = setInterval(() => this.#replica.tick(), heartbeatMs);
  }

  fail(error: Error): void {
    this.#replica.fail(error);
  }

  statistics(): MemberStatistics {
    const { term, lastIndex, commitIndex: committedIndex } = this.#core;
    const { proposalsPending, leaderChangesTotal, view } = this.#replica;
    const { appliedIndex } = view;
    return { term, lastIndex, committedIndex, appliedIndex, proposalsPending, leaderChangesTotal };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const patience = (signal: AbortSignal) => delay(this.#options.electionTimeoutMs, undefined, { signal });
    await handOver(this.#replica, this, patience);
    if (this.#ticks !== null) clearInterval(this.#ticks);
    this.#replica.stop(`Member "${this.#options.name}" is stopping`);
    this.#stopping.abort();
    this.#api?.close();
    await this.#transport?.close();
    await this.#snapshots.settled();
    await this.#storage.checkpoint.close();
    await this.#storage.log.close();
  }

  async #sendSnapshot(to: MemberName, source: SnapshotSource, signal: AbortSignal): Promise<SnapshotResult> {
    if (this.#transport === null) return { refused: 'the transport is not open yet' };
    return await this.#transport.sendSnapshot(to, source, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function createCore(options: MemberOptions, { recovered, position }: Storage): RaftCore {
  const { hardState, entries, base } = recovered;
  return new RaftCore({
    member: options.name,
    voters: options.members.map((member) => member.name),
    hardState,
    entries,
    base,
    ...(position === null ? {} : { checkpoint: position }),
    heartbeatTicks: 1,
    electionTicks: electionTicksOf(options),
    random: Math.random,
    maxUncommittedBytes: uncommittedBytesMax,
  });
}

/** One heartbeat is one tick. */
function electionTicksOf({ heartbeatMs, electionTimeoutMs }: MemberOptions): number {
  return Math.max(2, Math.ceil(electionTimeoutMs / heartbeatMs));
}

/** Members that were configured alike recognise each other; a stray member of another cluster is refused. */
function clusterIdOf(members: readonly MemberAddress[]): string {
  const names = members.map((member) => member.name).sort();
  return createHash('sha256').update(names.join('\n')).digest('hex').slice(0, 16);
}
