import assert from 'node:assert/strict';
import type { Outbox } from './outbox.ts';
import type { LogWrite, RaftLog } from './raft-log.ts';
import type { Envelope, HardState, PersistEffect } from './types.ts';

const NO_LOG_WRITE: LogWrite = { snapshot: null, truncateFrom: null, entries: [] };

interface Outstanding {
  readonly token: number;
  readonly hardState: HardState | null;
}

/** Numbers the writes and knows which of them are durable. Writes become durable in the order of their tokens. */
export class Persistence {
  #lastToken = 0;
  /** Hard state of the last write handed out. */
  #handed: HardState;
  #durable: HardState;
  readonly #outstanding: Outstanding[] = [];

  constructor(recovered: HardState) {
    this.#handed = recovered;
    this.#durable = recovered;
  }

  /** Newest hard state that a crash cannot take back. */
  get durableHardState(): HardState {
    return this.#durable;
  }

  /**
   * Everything that changed since the last call as one write, with the promises that rest on it; null if
   * there is nothing to write and nothing to wait for. A promise that only rests on writes still under way
   * travels with a write of nothing, which is durable when they are.
   */
  take(hardState: HardState, log: RaftLog, outbox: Outbox): PersistEffect | null {
    const token = this.#lastToken + 1;
    const hardStateChanged =
      hardState.term !== this.#handed.term || hardState.votedFor !== this.#handed.votedFor;
    const write = log.takeWrite(token);
    const sendAfterDurable = outbox.takeAfterDurable();
    if (!hardStateChanged && write === null && !this.#mustWait(sendAfterDurable)) {
      for (const { to, message } of sendAfterDurable) {
        outbox.sendNow(to, message);
      }
      return null;
    }
    this.#lastToken = token;
    this.#handed = hardState;
    this.#outstanding.push({ token, hardState: hardStateChanged ? hardState : null });
    const { snapshot, truncateFrom, entries }: LogWrite = write ?? NO_LOG_WRITE;
    return {
      token,
      hardState: hardStateChanged ? hardState : null,
      snapshot,
      truncateFrom,
      entries,
      sendAfterDurable,
    };
  }

  /** Marks the oldest outstanding write as durable; it must be `token`. */
  persisted(token: number, log: RaftLog): void {
    const first = this.#outstanding.shift();
    assert.equal(token, first?.token, `write ${token} reported durable while ${first?.token} is the oldest`);
    this.#durable = first?.hardState ?? this.#durable;
    log.written(token);
  }

  #mustWait(promises: readonly Envelope[]): boolean {
    return promises.length > 0 && this.#outstanding.length > 0;
  }
}
