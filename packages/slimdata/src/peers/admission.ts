import type { MemberName } from '../raft/types.ts';

/** A member as its streams show it. `diskId` is what it says; whether it is the right one is for the replica. */
export interface PeerIdentity {
  readonly name: MemberName;
  readonly diskId: string;
}

/** Who asks to be heard, or answers a dial. */
export interface Applicant extends PeerIdentity {
  /** The cluster that it belongs to; '' = it has joined none yet. Never a cluster foreign to this member. */
  readonly clusterId: string;
  /** It is one of the peers that this member was given. */
  readonly isListed: boolean;
}

/** Why an applicant is not heard; `detail` says what to do. Statuses 403, 410 and 412. */
export interface AdmissionRefusal {
  readonly reason: 'unknown' | 'removed' | 'uninitialised';
  readonly detail: string;
}

/**
 * Decides whether a member may talk to this one; null = it may. Asked at each handshake, before the applicant has
 * proven who it is: decide only, and record nothing.
 */
export type Admit = (applicant: Applicant) => AdmissionRefusal | null;

/** The rule of a member without another: its peers, once both belong to the cluster. */
export function createDefaultAdmission(member: MemberName, clusterIdOf: () => string): Admit {
  return ({ name, clusterId, isListed }) => {
    if (!isListed) {
      const detail = `Member "${member}" knows no peer "${name}": add it to its list of members.`;
      return { reason: 'unknown', detail };
    }
    if (clusterId === '' || clusterIdOf() === '') {
      const detail = `Member "${clusterId === '' ? name : member}" has not joined a cluster yet.`;
      return { reason: 'uninitialised', detail };
    }
    return null;
  };
}
