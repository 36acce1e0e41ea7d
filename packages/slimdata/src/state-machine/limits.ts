/**
 * Bounds that every member must share, because they decide what an entry does: a member with other values would
 * apply the same log to another state. They are therefore constants of the command format, never configuration.
 */

/** Largest encoded command. */
export const commandBytesMax = 1_048_576;

/** Most checks, and most writes, of one transaction. */
export const transactionStepsMax = 16_384;

/** Longest name of a hashset or field, in UTF-16 code units. */
export const nameLengthMax = 512;

/** Sessions remembered; opening one more forgets the one used longest ago. */
export const sessionsMax = 1_024;

/** A session accepts sequences in [floor, floor + this), so it remembers at most this many results. */
export const sessionWindowMax = 8_192;
