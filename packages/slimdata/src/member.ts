import { createHash, randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { createDiskFileSystem } from './log/disk-file-system.ts';
import type { LogStore, RecoveredLog } from './log/log-store.ts';
import { openWriteAheadLog } from './log/write-ahead-log.ts';
import type { Logger } from './logger.ts';
import { type HttpTransport, openHttpTransport } from './peers/http-transport.ts';
import { RaftCore } from './raft/raft-core.ts';
import type { MemberName } from './raft/types.ts';
import { handOver } from './replica/handover.ts';
import { type ReplicaPorts, replicaLimits } from './replica/ports.ts';
import { Replica } from './replica/replica.ts';
import { ReplicaStore } from './replica/replica-store.ts';
import type { Store } from './store.ts';

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
 * Opens the log, restores what it holds, and joins the cluster. Resolves before a leader is known; what the log holds
 * is applied once a leader has committed it again.
 * @throws the log's or the system's error when the directory or port cannot be used.
 */
export async function openMember(options: MemberOptions): Promise<Member> {
  const { directory, logger } = options;
  let member: RunningMember | null = null;
  const { log, recovered } = await openWriteAheadLog({
    directory,
    fileSystem: createDiskFileSystem(logger, randomBytes),
    logger,
    randomBytes,
    onFatal: (error) => (member === null ? options.onFatal(error) : member.fail(error)),
  });
  member = new RunningMember(options, log, recovered);
  try {
    await member.listen(recovered.diskId);
  } catch (error) {
    await member.close();
    throw error;
  }
  return member;
}

/** The composition of one member: core, replica, log, transport and clock. */
class RunningMember extends ReplicaStore implements Member {
  readonly #options: MemberOptions;
  readonly #core: RaftCore;
  readonly #replica: Replica;
  readonly #log: LogStore;
  #transport: HttpTransport | null = null;
  #ticks: NodeJS.Timeout | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: MemberOptions, log: LogStore, recovered: RecoveredLog) {
    const core = createCore(options, recovered);
    // Until the transport is open there is nobody to send to; what is lost then is sent again.
    const ports: ReplicaPorts = {
      log,
      send: (to, message) => this.#transport?.send(to, message),
      schedule: setImmediate,
      now: () => performance.now(),
      random: Math.random,
    };
    const { electionTimeoutMs, logger, onFatal } = options;
    const timing = { electionTimeoutMs, electionTicks: electionTicksOf(options) };
    const replica = new Replica({
      ...timing,
      member: options.name,
      core,
      ports,
      limits: replicaLimits,
      logger,
      onFatal,
    });
    super(options.name, replica);
    this.#options = options;
    this.#core = core;
    this.#replica = replica;
    this.#log = log;
  }

  get port(): number {
    return this.#transport?.port ?? this.#options.port;
  }

  /** Opens the port, meets the peers, starts the clock. */
  async listen(diskId: string): Promise<void> {
    const { name, members, host, port, clusterSecret, logger, heartbeatMs } = this.#options;
    this.#transport = await openHttpTransport({
      member: name,
      clusterId: clusterIdOf(members),
      diskId,
      clusterSecret,
      peers: members.filter((member) => member.name !== name),
      host,
      port,
      events: {
        onMessage: (from, message) => this.#replica.receive(from, message),
        onUnreachable: (peer) => this.#replica.unreachable(peer),
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
    await this.#transport?.close();
    await this.#log.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function createCore(options: MemberOptions, { hardState, entries }: RecoveredLog): RaftCore {
  return new RaftCore({
    member: options.name,
    voters: options.members.map((member) => member.name),
    hardState,
    entries,
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
