import type { PeerMessage } from '../peers/peer-message.ts';
import type { MemberName } from '../raft/types.ts';

export interface Mail {
  readonly from: MemberName;
  readonly message: PeerMessage;
}

/** A snapshot that was sent to `peer`, which now has the state of `index`; null = it did not get it. */
export interface EndedSnapshot {
  readonly peer: MemberName;
  readonly index: number | null;
}

/** Everything that came in since the last turn. */
export interface Post {
  /** In order of arrival. */
  readonly mail: readonly Mail[];
  /** Tokens of writes that became durable, in order. */
  readonly durable: readonly number[];
  readonly unreachable: ReadonlySet<MemberName>;
  readonly snapshots: readonly EndedSnapshot[];
  /** One tick at most, however late the turn is: a member that was held up must read its mail before it loses patience. */
  readonly tick: boolean;
}

/** Collects what happens between two turns. Bounded: mail beyond the bound is lost, and its sender called unreachable. */
export class Inbox {
  readonly #mailMax: number;
  #mail: Mail[] = [];
  #durable: number[] = [];
  #unreachable = new Set<MemberName>();
  #snapshots: EndedSnapshot[] = [];
  #tick = false;

  constructor(mailMax: number) {
    this.#mailMax = mailMax;
  }

  receive(from: MemberName, message: PeerMessage): void {
    if (this.#mail.length >= this.#mailMax) this.#unreachable.add(from);
    else this.#mail.push({ from, message });
  }

  durable(token: number): void {
    this.#durable.push(token);
  }

  unreachable(peer: MemberName): void {
    this.#unreachable.add(peer);
  }

  snapshotEnded(peer: MemberName, index: number | null): void {
    this.#snapshots.push({ peer, index });
  }

  tick(): void {
    this.#tick = true;
  }

  /** Empties the box. */
  take(): Post {
    const post = {
      mail: this.#mail,
      durable: this.#durable,
      unreachable: this.#unreachable,
      snapshots: this.#snapshots,
      tick: this.#tick,
    };
    this.#mail = [];
    this.#durable = [];
    this.#unreachable = new Set();
    this.#snapshots = [];
    this.#tick = false;
    return post;
  }
}
