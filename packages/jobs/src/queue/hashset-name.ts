/** Where a job's record lives: one hashset per phase and job name, field = job id. A job is in exactly one phase. */
export type Phase = 'Queue' | 'Run' | 'History';

/** The hashset of one phase of one job name, e.g. `Queue:fibonacci`. */
export function hashsetName(phase: Phase, jobName: string): string {
  return `${phase}:${jobName}`;
}

/** Takes a hashset's name apart; null when it holds no job records. */
export function parseHashsetName(hashset: string): { phase: Phase; jobName: string } | null {
  const colon = hashset.indexOf(':');
  const phase = hashset.slice(0, Math.max(colon, 0));
  if (phase !== 'Queue' && phase !== 'Run' && phase !== 'History') return null;
  return { phase, jobName: hashset.slice(colon + 1) };
}

/** Job names in use that no definition names: field = job name, value empty. Its size bounds them. */
export const unknownNamesHashset = 'UnknownNames';
