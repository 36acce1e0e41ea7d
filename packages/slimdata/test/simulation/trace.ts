import type { RaftMessage } from '../../src/raft/types.ts';

/** What happened, folded into one number in every run, and kept as text (the last lines) when recording. */
export class Trace {
  readonly recording: boolean;
  readonly #linesMax: number;
  #hash = 0x811c9dc5;
  readonly #lines: string[] = [];

  /** @param linesMax number of last lines to keep; 0 = none, which is fast. */
  constructor(linesMax: number) {
    this.recording = linesMax > 0;
    this.#linesMax = linesMax;
  }

  /** Equal for equal runs. */
  get hash(): number {
    return this.#hash >>> 0;
  }

  /** The last lines, oldest first. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Folds one whole number in. */
  fold(value: number): void {
    this.#hash = Math.imul(this.#hash ^ (value | 0), 0x01000193);
    this.#hash ^= this.#hash >>> 15;
  }

  foldMessage(message: RaftMessage): void {
    this.fold(message.type.length);
    this.fold(message.term);
    switch (message.type) {
      case 'AppendEntries':
        this.fold(message.prevLogIndex * 31 + message.entries.length);
        this.fold(message.leaderCommit);
        break;
      case 'AppendEntriesResponse':
        this.fold(message.matchIndex * 31 + message.hintIndex);
        break;
      case 'Heartbeat':
        this.fold(message.commit * 31 + message.round);
        break;
      case 'HeartbeatResponse':
        this.fold(message.round);
        break;
      case 'ReadIndex':
        this.fold(message.request);
        break;
      case 'ReadIndexResponse':
        this.fold(message.request * 31 + message.index);
        break;
      default:
    }
  }

  /** Keeps a line; call only when `recording`. */
  line(now: number, event: number, text: string): void {
    this.#lines.push(`#${event} t=${now} ${text}`);
    if (this.#lines.length > this.#linesMax) {
      this.#lines.shift();
    }
  }
}

/** One message in one short line. */
export function describeMessage(message: RaftMessage): string {
  const fields = Object.entries(message)
    .filter(([name]) => name !== 'type' && name !== 'entries')
    .map(([name, value]) => `${name}=${value}`);
  if (message.type === 'AppendEntries') {
    fields.push(`entries=[${message.entries.map((entry) => `${entry.index}/${entry.term}`).join(' ')}]`);
  }
  return `${message.type}(${fields.join(' ')})`;
}
