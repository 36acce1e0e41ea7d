import { AssertionError } from 'node:assert/strict';

/**
 * Codes of the errors of the log:
 * - `corrupt`: what is on disk cannot have been left by a crash; acknowledged entries may be damaged. Never repaired
 *   by guessing: the directory must be replaced.
 * - `unknown_version`: written by a version of this software that this one cannot read. Run that version.
 * - `foreign_disk`: files of two different disks are mixed in one directory. Put back the right files.
 * - `locked`: a living process holds the directory. Stop it first.
 * - `disk_full`: the volume has no space left to open the log, or the file system ran out of room for space that was
 *   filled before (it copies on write, or is thinly provisioned). Free some, then start again. That there is no room for
 *   a further segment is not an error: see `LogSpace`.
 * - `io`: the operating system refused an operation (`cause` says which); the process must end.
 * - `too_large`: one batch exceeds `batchBytesMax`; it can never be written. The caller must bound its batches.
 * - `overloaded`: the disk has fallen too far behind what was handed over; the process must end.
 * - `closed`: the log was closed before.
 */
export type LogErrorCode =
  | 'corrupt'
  | 'unknown_version'
  | 'foreign_disk'
  | 'locked'
  | 'disk_full'
  | 'io'
  | 'too_large'
  | 'overloaded'
  | 'closed';

/** Where in the log something was found: a file, and a byte offset in it. */
export interface LogPlace {
  readonly path: string;
  readonly offset: number;
}

/** What an operator should do about damage of each kind. Nothing was changed on disk when one of these is reported. */
export const logRemedies = {
  corrupt:
    'It may hold acknowledged entries, so nothing was changed. While the other members have a majority: keep a copy ' +
    'of the directory, empty it and start this member again; it rejoins as new and receives its state. Check the ' +
    'disk before.',
  unknown_version:
    'Nothing was changed. Start this member with the version that wrote it, or with another one that knows it.',
  foreign_disk:
    'Nothing was changed. Files of two members were mixed: put back the files of this one, or empty the directory so ' +
    'that this member rejoins as new.',
} as const;

interface LogErrorOptions extends ErrorOptions {
  readonly place?: LogPlace;
  readonly reason?: string;
}

export class LogError extends Error {
  readonly code: LogErrorCode;
  /** Null when the error is not about one place. */
  readonly place: LogPlace | null;
  /** What was found at `place`, without place and remedy; null when there is none. */
  readonly reason: string | null;

  constructor(code: LogErrorCode, message: string, options?: LogErrorOptions) {
    super(message, options);
    this.name = 'LogError';
    this.code = code;
    this.place = options?.place ?? null;
    this.reason = options?.reason ?? null;
  }
}

/** Damage that no crash can explain. The remedy is the same for all: this copy is lost, the others are not. */
export function corruptLog(place: LogPlace, reason: string): LogError {
  return new LogError(
    'corrupt',
    `Log segment "${place.path}" is damaged at byte ${place.offset}: ${reason}. ${logRemedies.corrupt}`,
    { place, reason },
  );
}

export function unknownLogVersion(place: LogPlace, what: string): LogError {
  const reason = `${what}, which this version cannot read`;
  return new LogError(
    'unknown_version',
    `Log segment "${place.path}" has at byte ${place.offset} ${reason}. ${logRemedies.unknown_version}`,
    { place, reason },
  );
}

/** No room on the volume, or none left for this user. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ['ENOSPC', 'EDQUOT'].includes(String(error.code));
}

/**
 * Wraps a failure of the operating system; a `LogError` and a failed assertion pass unchanged. A full disk is no
 * exception once a write has failed for it: see `SegmentSupply` for where it is waited out.
 */
export function storageFailure(error: unknown, doing: string): Error {
  if (error instanceof LogError || error instanceof AssertionError) return error;
  const cause = error instanceof Error ? error : new Error(String(error));
  if (isDiskFull(error)) {
    const system = 'code' in cause ? String(cause.code) : '';
    const text = `The disk is full (${system}): ${doing} failed. Free space on the volume, then start this member again.`;
    return new LogError('disk_full', text, { cause });
  }
  return new LogError(
    'io',
    `${doing} failed: ${cause.message}. After a failed write or fsync the state of the file is unknown, so this ` +
      'member stops and does not try again. Check the disk, then start it again.',
    { cause },
  );
}
