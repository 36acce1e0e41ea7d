import type { ServerResponse } from 'node:http';
import type { ChangeRing } from './change-ring.ts';
import type { ProblemCode } from './problem.ts';

/** Lines are joined up to this size, so that many small changes cost one write. */
const WRITE_LENGTH_MAX = 64 * 1024;

export interface WatcherOptions {
  readonly ring: ChangeRing;
  /** Where in the ring it begins; changes before index `from` are not for it. */
  readonly position: number;
  readonly from: number;
  readonly stalledChecksMax: number;
  readonly appliedIndex: () => number;
  readonly onEnded: (reason: ProblemCode | 'gone') => void;
}

/**
 * One client that follows the changes. Holds nothing but its position in the ring: it is as far as its client reads,
 * and is cut when the ring has moved on beyond it.
 */
export class Watcher {
  private readonly options: WatcherOptions;
  private readonly response: ServerResponse;
  private position: number;
  private stalledChecks = 0;
  private ended = false;

  /** Takes over a response whose head has been sent. */
  constructor(response: ServerResponse, options: WatcherOptions) {
    this.options = options;
    this.response = response;
    this.position = options.position;
    response.on('drain', () => {
      this.stalledChecks = 0;
      this.pump();
    });
    response.on('error', () => this.finish('gone'));
    response.on('close', () => this.finish('gone'));
  }

  /** Writes what the client has not been told, as far as its connection takes it. */
  pump(): void {
    if (!this.ended && this.options.ring.isGone(this.position)) {
      this.end('slow_consumer', 'More has changed than is kept: watch again from the last index, or read.');
    }
    while (!this.ended && !this.response.writableNeedDrain) {
      const text = this.take();
      if (text === '') {
        return;
      }
      this.response.write(text);
    }
  }

  /** Called once per interval: tells how far everything was told, or cuts a client that takes nothing. */
  check(): void {
    if (this.ended) {
      return;
    }
    if (!this.response.writableNeedDrain) {
      this.response.write(`${JSON.stringify({ type: 'progress', index: this.options.appliedIndex() })}\n`);
      return;
    }
    this.stalledChecks += 1;
    if (this.stalledChecks > this.options.stalledChecksMax) {
      this.end('slow_consumer', `Nothing was taken during ${this.stalledChecks} checks.`);
    }
  }

  /** Says why, after all that was written before, and ends. */
  end(code: ProblemCode, detail: string): void {
    if (!this.ended) {
      this.response.end(`${JSON.stringify({ type: 'end', code, detail })}\n`);
      this.finish(code);
    }
  }

  /** Ends at once, with whatever is still unread. */
  destroy(): void {
    this.response.destroy();
  }

  private take(): string {
    let text = '';
    for (let line = this.next(); line !== null; line = text.length < WRITE_LENGTH_MAX ? this.next() : null) {
      text += line;
    }
    return text;
  }

  private next(): string | null {
    const { ring, from } = this.options;
    for (let change = ring.at(this.position); change !== null; change = ring.at(this.position)) {
      this.position += 1;
      if (change.index >= from) {
        return change.line;
      }
    }
    return null;
  }

  private finish(reason: ProblemCode | 'gone'): void {
    if (!this.ended) {
      this.ended = true;
      this.options.onEnded(reason);
    }
  }
}
