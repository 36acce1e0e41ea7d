/**
 * Codes of the errors of checkpoints and snapshots:
 * - `corrupt`: what is on disk is not what was written. Never repaired by guessing: the state must be replaced.
 * - `unknown_version`: written by a version of this software that this one cannot read. Run that version or a newer one.
 * - `locked`: a living process holds the directory. Stop it first.
 * - `disk_full`: there is no room. Nothing was changed, and the same delta may be written again later; a transfer that
 *   it ended is lost.
 * - `io`: the operating system refused an operation (`cause` says which), which may also be for lack of room once it had
 *   begun. The checkpoint can no longer be used, and the process must end; out of `accept` only that transfer is lost.
 * - `snapshot_invalid`: a snapshot arrived whole, but its content contradicts itself. Ask another member.
 * - `expired`: a snapshot was not read for too long and is no longer held. Begin with a new one.
 * - `busy`: too many snapshots are held at once. Try again later.
 * - `closed`: closed before, or no longer usable after an earlier error.
 */
export type CheckpointErrorCode =
  | 'corrupt'
  | 'unknown_version'
  | 'locked'
  | 'disk_full'
  | 'io'
  | 'snapshot_invalid'
  | 'expired'
  | 'busy'
  | 'closed';

export class CheckpointError extends Error {
  readonly code: CheckpointErrorCode;

  constructor(code: CheckpointErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CheckpointError';
    this.code = code;
  }
}

/** Damage to a checkpoint. The remedy is the same for all: this copy is lost, the others are not. */
export function corruptCheckpoint(path: string, reason: string, options?: ErrorOptions): CheckpointError {
  return new CheckpointError(
    'corrupt',
    `Checkpoint "${path}" is damaged: ${reason}. It was not used and not changed. While the other members have a ` +
      "majority: keep a copy of this member's whole state directory (the one that holds this checkpoint), empty it and " +
      'start this member again; it rejoins as new and receives its state. Check the disk before.',
    options,
  );
}

/** Wraps what the database or the system threw; a `CheckpointError` passes unchanged. */
export function databaseFailure(error: unknown, path: string, doing: string): CheckpointError {
  if (error instanceof CheckpointError) return error;
  const cause = rootCause(error);
  const code = 'code' in cause ? String(cause.code) : '';
  if (code === 'LEVEL_LOCKED') {
    const text = `Checkpoint "${path}" is in use by another process. Stop that one, or give this member its own directory.`;
    return new CheckpointError('locked', text, { cause });
  }
  if (code === 'LEVEL_CORRUPTION' || /no such file/i.test(cause.message)) {
    return corruptCheckpoint(path, cause.message, { cause });
  }
  if (/ENOSPC|EDQUOT|No space left|quota exceeded/i.test(`${code} ${cause.message}`)) {
    return diskFull(path, doing, cause.message, { cause });
  }
  return new CheckpointError(
    'io',
    `${doing} "${path}" failed: ${cause.message}. After a failed write or fsync the state of the files is unknown, so ` +
      'it is not tried again. Check the disk, then start this member again.',
    { cause },
  );
}

/** A failure that leaves the database unusable, whatever it was: LevelDB goes on behind a half-written record. */
export function vitalFailure(error: unknown, path: string, doing: string): CheckpointError {
  const failure = databaseFailure(error, path, doing);
  if (failure.code !== 'disk_full') return failure;
  return new CheckpointError('io', `${failure.message} Then start this member again.`, { cause: failure });
}

export function diskFull(path: string, doing: string, why: string, options?: ErrorOptions): CheckpointError {
  const text = `The disk is full: ${doing} "${path}" is not possible (${why}). Free space on the volume.`;
  return new CheckpointError('disk_full', text, options);
}

/** The database wraps the reason why it could not be opened. */
function rootCause(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  return error.cause instanceof Error ? rootCause(error.cause) : error;
}
