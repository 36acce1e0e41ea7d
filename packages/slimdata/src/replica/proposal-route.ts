import type { Logger } from '../logger.ts';
import type { Propose, ProposeRefused } from '../peers/peer-message.ts';
import type { RaftCore } from '../raft/raft-core.ts';
import type { MemberName } from '../raft/types.ts';
import { commandBytesMax } from '../state-machine/limits.ts';
import type { ReplicaLimits, ReplicaPorts } from './ports.ts';
import type { Outgoing, Proposals } from './proposals.ts';

/** A command that came from a peer, or from this member itself (`from` null), to be appended by this leader. */
interface Submission extends Outgoing {
  readonly from: MemberName | null;
}

export interface ProposalRouteOptions {
  readonly member: MemberName;
  readonly core: RaftCore;
  readonly ports: ReplicaPorts;
  readonly limits: ReplicaLimits;
  readonly logger: Logger;
}

/** Largest piece, in bytes of payloads, that is proposed at once. */
const pieceBytesMax = 1_048_576;

/**
 * Brings commands to the leader: this member's own ones, and those that peers sent here because they take this
 * member for the leader. All of one turn are proposed at once, so that they share one write.
 */
export class ProposalRoute {
  readonly #options: ProposalRouteOptions;
  readonly #proposals: Proposals;
  #submissions: Submission[] = [];

  constructor(options: ProposalRouteOptions, proposals: Proposals) {
    this.#options = options;
    this.#proposals = proposals;
  }

  /** A peer asks this member to propose for it. What no peer of ours sends is dropped: it could clog the log. */
  receive(from: MemberName, { sequence, payload }: Propose): void {
    if (payload.length <= commandBytesMax) this.#submissions.push({ from, sequence, payload });
    else this.#options.logger.error({ from, bytes: payload.length }, 'oversized_proposal_dropped');
  }

  /** The leader did not take a proposal of this member: it is sent again a little later. */
  refused({ sequence, reason }: Pick<ProposeRefused, 'sequence' | 'reason'>, now: number): void {
    this.#proposals.refused(sequence, reason, now + this.#options.limits.retryMs);
  }

  /** Sends what is due to `leader`, and proposes what is to be proposed here. */
  run(leader: MemberName | null, overloaded: boolean, now: number): void {
    const { member, ports } = this.#options;
    const due = leader === null ? [] : this.#proposals.takeDue(now);
    for (const command of due) {
      if (leader === member) this.#submissions.push({ from: null, ...command });
      else if (leader !== null) ports.send(leader, { type: 'Propose', ...command });
    }
    if (this.#submissions.length > 0) this.#propose(overloaded, now);
  }

  /** In pieces, so that a leader with room for some of them takes these rather than none. */
  #propose(overloaded: boolean, now: number): void {
    const submissions = this.#submissions;
    this.#submissions = [];
    let start = 0;
    let bytes = 0;
    for (const [position, { payload }] of submissions.entries()) {
      if (position > start && bytes + payload.length > pieceBytesMax) {
        this.#proposePiece(submissions.slice(start, position), overloaded, now);
        start = position;
        bytes = 0;
      }
      bytes += payload.length;
    }
    this.#proposePiece(submissions.slice(start), overloaded, now);
  }

  #proposePiece(piece: readonly Submission[], overloaded: boolean, now: number): void {
    const payloads = piece.map((submission) => submission.payload);
    const reason = overloaded ? 'overloaded' : this.#options.core.propose(payloads);
    if (reason === 'accepted') return;
    for (const { from, sequence } of piece) {
      if (from === null) this.refused({ sequence, reason }, now);
      else this.#options.ports.send(from, { type: 'ProposeRefused', sequence, reason });
    }
  }
}
