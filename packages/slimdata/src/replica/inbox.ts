import type { PeerMessage } from '../peers/peer-message.ts';
import type { MemberName } from '../raft/types.ts';

export interface Mail {
  readonly from: MemberName;
  readonly message: PeerMessage;
}

/** Everything that came in since the last turn. */
export interface Post {
  /** In order of arrival. */
  readonly mail: readonly Mail[];
  /** Tokens of writes that became durable, in order. */
  readonly durable: readonly number[];
  readonly unreachable: ReadonlySet<MemberName>;
  /** One tick at most, however late the turn is: a member that was held up must read its mail before it loses patience. */
  readonly tick: boolean;
}

/** Collects what happens between two turns. Bounded: mail beyond the bound is lost, and its sender called unreachable. */
export class Inbox {
  readonly #mailMax: number;
  #mail: Mail[] = [];
  #durable: number[] = [];
  #unreachable = new Set<MemberName>();
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

  tick(): void {
    this.#tick = true;
  }

  /** Empties the box. */
  take(): Post {
    const post = {
      mail: this.#mail,
      durable: this.#durable,
      unreachable: this.#unreachable,
      tick: this.#tick,
    };
    this.#mail = [];
    this.#durable = [];
    this.#unreachable = new Set();
    this.#tick = false;
    return post;
  }
}
