import type { MemberName } from '../raft/types.ts';
import { encodeCommand } from '../state-machine/command-codec.ts';
import type { SessionOutcome } from '../state-machine/state-machine.ts';

/** This member's session: opened when first needed, opened again when the state machine has forgotten it. */
export class MemberSession {
  readonly #member: MemberName;
  readonly #random: () => number;
  readonly #resendMs: number;
  #id: number | null = null;
  #opening: { readonly nonce: number; dueAt: number } | null = null;

  constructor(member: MemberName, random: () => number, resendMs: number) {
    this.#member = member;
    this.#random = random;
    this.#resendMs = resendMs;
  }

  /** The open session; null until its opening was applied here. */
  get id(): number | null {
    return this.#id;
  }

  /** The command that opens a session when it is time to send it (again), else null. */
  takeOpening(now: number): Uint8Array | null {
    if (this.#id !== null) return null;
    this.#opening ??= { nonce: Math.floor(this.#random() * Number.MAX_SAFE_INTEGER), dueAt: now };
    if (this.#opening.dueAt > now) return null;
    this.#opening.dueAt = now + this.#resendMs;
    return encodeCommand({ type: 'OpenSession', member: this.#member, nonce: this.#opening.nonce });
  }

  /** The opening may be sent again at `at`: it was refused, or there is a new leader. */
  retryAt(at: number): void {
    if (this.#opening !== null) this.#opening.dueAt = Math.min(this.#opening.dueAt, at);
  }

  /** Takes over the session if it is the one that was asked for. Returns whether it is. */
  opened(outcome: SessionOutcome): boolean {
    const mine = outcome.member === this.#member && outcome.nonce === this.#opening?.nonce;
    if (!mine) return false;
    this.#id = outcome.session;
    this.#opening = null;
    return true;
  }

  /** The state machine does not know this session any more. */
  expired(): void {
    this.#id = null;
  }
}
