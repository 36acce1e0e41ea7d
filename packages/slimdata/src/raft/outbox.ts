import type { Envelope, MemberName, RaftMessage, ReadReady, SnapshotNeeded } from './types.ts';

/** Collects what leaves the core until the effects are taken. */
export class Outbox {
  #now: Envelope[] = [];
  #afterDurable: Envelope[] = [];
  #readReady: ReadReady[] = [];
  #snapshotsNeeded: SnapshotNeeded[] = [];

  /** For requests and for answers that promise nothing. */
  sendNow(to: MemberName, message: RaftMessage): void {
    this.#now.push({ to, message });
  }

  /**
   * For promises: votes, acknowledgements, and requests for votes, which are promises too (a vote for
   * oneself, and a claim about one's log). All that the core decided before them must be durable first.
   */
  sendAfterDurable(to: MemberName, message: RaftMessage): void {
    const last = this.#afterDurable.at(-1);
    if (last?.to === to && supersedes(message, last.message)) {
      this.#afterDurable.pop();
    }
    this.#afterDurable.push({ to, message });
  }

  readReady(request: number, index: number): void {
    this.#readReady.push({ request, index });
  }

  snapshotNeeded(needed: SnapshotNeeded): void {
    this.#snapshotsNeeded.push(needed);
  }

  takeNow(): Envelope[] {
    const taken = this.#now;
    this.#now = [];
    return taken;
  }

  takeAfterDurable(): Envelope[] {
    const taken = this.#afterDurable;
    this.#afterDurable = [];
    return taken;
  }

  takeReadReady(): ReadReady[] {
    const taken = this.#readReady;
    this.#readReady = [];
    return taken;
  }

  takeSnapshotsNeeded(): SnapshotNeeded[] {
    const taken = this.#snapshotsNeeded;
    this.#snapshotsNeeded = [];
    return taken;
  }
}

/** All appends acknowledged by one write need one answer: the later one says everything the earlier said. */
function supersedes(later: RaftMessage, earlier: RaftMessage): boolean {
  return (
    later.type === 'AppendEntriesResponse' &&
    earlier.type === 'AppendEntriesResponse' &&
    later.term === earlier.term &&
    later.success &&
    earlier.success &&
    later.matchIndex >= earlier.matchIndex
  );
}
