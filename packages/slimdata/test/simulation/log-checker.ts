import type { Entry, PersistEffect } from '../../src/raft/types.ts';
import type { Marks } from './marks.ts';
import type { SimulatedMember } from './simulated-member.ts';
import { Violation } from './violation.ts';

/** One entry as first seen anywhere, with the term of the entry before it. */
interface KnownEntry {
  readonly entry: Entry;
  readonly previousTerm: number;
}

interface ChosenEntry {
  readonly entry: Entry;
  /** Term of the leader that first counted it as committed. */
  readonly committedIn: number;
}

function isSame(left: Entry, right: Entry): boolean {
  return (
    left === right ||
    (left.index === right.index &&
      left.term === right.term &&
      left.kind === right.kind &&
      (left.payload === right.payload || Buffer.compare(left.payload, right.payload) === 0))
  );
}

/** The number that the workload wrote into a command's payload. */
function proposalId(entry: Entry): number {
  const { payload } = entry;
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0);
}

/**
 * What must hold of the logs (paper §5.3, §5.4): log matching, leader completeness, commitment on a durable
 * quorum, committed entries that never change, and equal application. Incremental: an event costs what it
 * changed.
 *
 * Log matching is checked by induction: an (index, term) always carries the same payload and the same
 * predecessor.
 */
export class LogChecker {
  /** By index, then all variants of different terms. */
  readonly #known: KnownEntry[][] = [];
  /** The one history: `chosen[i]` is committed at index i + 1. */
  readonly #chosen: ChosenEntry[] = [];
  readonly #committedIds = new Set<number>();
  readonly #members: readonly SimulatedMember[];
  readonly #marks: Marks;
  /** Proposals that clients made; nothing else may appear as a command. */
  readonly #isProposed: (id: number) => boolean;
  /** False leaves out the checks that see a broken rule itself, so that its consequences can be awaited. */
  readonly #direct: boolean;

  constructor(
    members: readonly SimulatedMember[],
    marks: Marks,
    isProposed: (id: number) => boolean,
    direct: boolean,
  ) {
    this.#members = members;
    this.#marks = marks;
    this.#isProposed = isProposed;
    this.#direct = direct;
  }

  /** Highest index that any member has ever known to be committed. */
  get chosenLength(): number {
    return this.#chosen.length;
  }

  isCommitted(id: number): boolean {
    return this.#committedIds.has(id);
  }

  /** Before a batch is handed to the disk of `member`. */
  persisting(member: SimulatedMember, batch: PersistEffect): void {
    const { written } = member.disk;
    const from = batch.truncateFrom;
    if (from !== null) {
      this.#truncating(member, from);
    }
    let last = from === null ? written.length : from - 1;
    let previousTerm = written[last - 1]?.term ?? 0;
    for (const entry of batch.entries) {
      last += 1;
      if (entry.index !== last) {
        throw new Violation('log contiguity', `${member.name} appends ${entry.index} where ${last} is next`);
      }
      if (entry.term < previousTerm) {
        throw new Violation('log terms ascend', `${member.name} appends term ${entry.term} at ${last}`);
      }
      this.#remember(member, entry, previousTerm);
      previousTerm = entry.term;
    }
  }

  /** Effects were taken: the log that the core has in memory is the one that the disk will have. */
  taken(member: SimulatedMember, batch: PersistEffect | null): void {
    const { core, disk } = member;
    const added = batch?.entries.at(-1);
    const last = added ?? disk.written[(batch?.truncateFrom ?? disk.written.length + 1) - 2];
    if (core.lastIndex !== (last?.index ?? 0) || core.termAt(core.lastIndex) !== (last?.term ?? 0)) {
      throw new Violation(
        'memory equals log',
        `${member.name} has ${core.lastIndex} entries in memory, the disk will have ${last?.index ?? 0}`,
      );
    }
    if (this.#direct && core.role === 'leader' && batch !== null && batch.truncateFrom !== null) {
      throw new Violation(
        'leaders append only',
        `${member.name} leads and truncates from ${batch.truncateFrom}`,
      );
    }
    const { durableIndex } = core;
    if (
      this.#direct &&
      durableIndex > 0 &&
      disk.durable[durableIndex - 1]?.term !== core.termAt(durableIndex)
    ) {
      throw new Violation(
        'durable index is true',
        `${member.name} takes ${durableIndex} for durable, its disk has ${disk.durable.length} entries`,
      );
    }
  }

  /** The commit index of `member` went from `before` to `after`. */
  committing(member: SimulatedMember, before: number, after: number): void {
    const { core } = member;
    if (after < before || after > core.lastIndex) {
      throw new Violation('commit monotonic', `${member.name} moved its commit from ${before} to ${after}`);
    }
    if (this.#direct && after > this.#chosen.length) {
      this.#checkRightToCommit(member, after);
    }
    for (let index = before + 1; index <= after; index++) {
      const chosen = this.#chosen[index - 1];
      if (chosen === undefined) {
        this.#choose(member, index);
      } else if (core.termAt(index) !== chosen.entry.term) {
        throw new Violation(
          'committed entries agree',
          `${member.name} committed term ${core.termAt(index)} at ${index}, not ${chosen.entry.term}`,
        );
      }
    }
  }

  /** `member` hands `entry` to its state machine; `applied` is the last index before. */
  applying(member: SimulatedMember, entry: Entry, applied: number): void {
    if (entry.index !== applied + 1) {
      throw new Violation('applied in order', `${member.name} applied ${entry.index} after ${applied}`);
    }
    const chosen = this.#chosen[entry.index - 1];
    if (chosen === undefined || !isSame(chosen.entry, entry)) {
      throw new Violation('state machine safety', `${member.name} applied another entry at ${entry.index}`);
    }
    if (member.disk.durable[entry.index - 1]?.term !== entry.term) {
      throw new Violation(
        'applied is durable',
        `${member.name} applied ${entry.index} before its disk had it`,
      );
    }
  }

  /** `member` became leader: it must hold everything committed in earlier terms (paper §5.4.3). */
  leading(member: SimulatedMember): void {
    const { core } = member;
    for (let index = this.#chosen.length; index > 0; index--) {
      const chosen = this.#chosen[index - 1];
      if (chosen !== undefined && chosen.committedIn < core.term) {
        if (core.lastIndex < index || core.termAt(index) !== chosen.entry.term) {
          throw new Violation(
            'leader completeness',
            `${member.name} leads term ${core.term} without ${index}, committed in ${chosen.committedIn}`,
          );
        }
        return;
      }
    }
  }

  #truncating(member: SimulatedMember, from: number): void {
    const { written } = member.disk;
    const removed = written[from - 1];
    if (removed === undefined) {
      return;
    }
    this.#marks.hit('log truncated');
    const copies = this.#durableCount(from, removed.term);
    // A copy that its member never acknowledged to the leader that committed it may rightly go: a leader of a
    // term in between, which does not know yet that it was deposed, may still replace it.
    const isOwnDurable = member.disk.durable[from - 1]?.term === removed.term;
    const remaining = copies - (isOwnDurable ? 1 : 0);
    if (this.#chosen[from - 1]?.entry.term === removed.term && remaining * 2 <= this.#members.length) {
      throw new Violation(
        'committed entries keep a quorum',
        `${member.name} removes the committed entry ${from}, which leaves ${remaining} durable copies`,
      );
    }
    if (copies * 2 > this.#members.length) {
      this.#marks.hit('entry on a durable majority overwritten');
    }
  }

  #remember(member: SimulatedMember, entry: Entry, previousTerm: number): void {
    const variants = this.#known[entry.index];
    const known = variants?.find((variant) => variant.entry.term === entry.term);
    if (known === undefined) {
      const added = { entry, previousTerm };
      if (variants === undefined) {
        this.#known[entry.index] = [added];
      } else {
        variants.push(added);
      }
    } else if (known.previousTerm !== previousTerm || !isSame(known.entry, entry)) {
      throw new Violation(
        'log matching',
        `${member.name} has another entry or predecessor at ${entry.index} of term ${entry.term}`,
      );
    }
  }

  #checkRightToCommit(member: SimulatedMember, after: number): void {
    const { core } = member;
    if (core.role !== 'leader') {
      throw new Violation(
        'leaders commit first',
        `${member.name}, ${core.role}, committed ${after}; nobody else has got beyond ${this.#chosen.length}`,
      );
    }
    if (core.termAt(after) !== core.term) {
      throw new Violation(
        'own term commits',
        `${member.name} committed ${after} of term ${core.termAt(after)} by counting in term ${core.term}`,
      );
    }
  }

  #choose(member: SimulatedMember, index: number): void {
    const { core } = member;
    const term = core.termAt(index);
    const entry = this.#known[index]?.find((known) => known.entry.term === term)?.entry;
    if (entry === undefined) {
      throw new Violation(
        'committed was written',
        `${member.name} committed ${index}, which nobody has written`,
      );
    }
    const durable = this.#durableCount(index, entry.term);
    if (durable * 2 <= this.#members.length) {
      throw new Violation(
        'committed on a durable quorum',
        `${member.name} committed ${index} of term ${term} with ${durable} durable copies`,
      );
    }
    if (entry.term < core.term) {
      this.#marks.hit('old term committed by a newer one');
    }
    if (entry.payload.length > 0) {
      this.#commitId(member, entry);
    }
    this.#chosen.push({ entry, committedIn: core.term });
  }

  #commitId(member: SimulatedMember, entry: Entry): void {
    const id = proposalId(entry);
    if (!this.#isProposed(id) || this.#committedIds.has(id)) {
      const why = this.#isProposed(id) ? 'committed before' : 'never proposed';
      throw new Violation(
        'proposals commit once',
        `${member.name} committed ${id} at ${entry.index}, which was ${why}`,
      );
    }
    this.#committedIds.add(id);
  }

  #durableCount(index: number, term: number): number {
    let count = 0;
    for (const member of this.#members) {
      if (member.disk.durable[index - 1]?.term === term) {
        count += 1;
      }
    }
    return count;
  }
}
