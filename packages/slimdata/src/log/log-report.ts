import type { HardState } from '../raft/types.ts';
import type { LogErrorCode } from './log-error.ts';
import type { LogBase } from './log-store.ts';

/** What `inspectLog` found. Plain data. */
export interface LogReport {
  readonly directory: string;
  /** Who has the log open, in words; null = nobody. While somebody has, what is found changes under the reader. */
  readonly holder: string | null;
  /**
   * - `empty`: a member started here begins as new.
   * - `sound`: it starts with everything that was ever written.
   * - `torn`: as `sound`, but for a write that was cut off and never acknowledged; the start clears it.
   * - `damaged`: it refuses to start.
   */
  readonly verdict: 'empty' | 'sound' | 'torn' | 'damaged';
  /** Null while no segment header can be read. */
  readonly diskId: string | null;
  /** This and the next two: as the member would recover them; with damage, as read up to the first of it. */
  readonly hardState: HardState;
  readonly base: LogBase;
  /** The last entry, or the base when there is none. */
  readonly last: LogBase;
  /** Oldest first. */
  readonly segments: readonly SegmentReport[];
  readonly torn: readonly TornReport[];
  /** Names of files that no longer count; the next start deletes them. */
  readonly leftovers: readonly string[];
  /** In the order in which it stands in the log, each file and offset once. */
  readonly damage: readonly DamageReport[];
}

export interface SegmentReport {
  readonly file: string;
  readonly number: number;
  /**
   * - `finished`: the log goes on in the next one.
   * - `open`: the newest.
   * - `blank`: prepared, not begun.
   * - `removed`: given up, its file just not deleted yet.
   * - `damaged`: what is told of it ends at the damage.
   */
  readonly state: 'finished' | 'open' | 'blank' | 'removed' | 'damaged';
  readonly bytes: number;
  /** Up to the last complete write. */
  readonly bytesUsed: number;
  readonly diskId: string | null;
  /** Where the log stood when it was begun; null without a readable header. */
  readonly before: LogBase | null;
  /** Oldest and newest of the entries that were written into it and not replaced in it; null when there are none. */
  readonly first: LogBase | null;
  readonly last: LogBase | null;
}

export interface TornReport {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

export interface DamageReport {
  readonly file: string;
  readonly offset: number;
  /** `unreadable`: the system refused to read it. */
  readonly code: LogErrorCode | 'unreadable';
  /** What was found there, and what follows from it. */
  readonly meaning: string;
  readonly remedy: string;
}

/** The report for people: several lines, the last one ended too. */
export function formatLogReport(report: LogReport): string {
  const lines = [
    `Log in "${report.directory}": ${verdicts[report.verdict]}`,
    `  open in      ${report.holder === null ? 'no process' : `${report.holder}; what is found may be under way`}`,
    `  disk id      ${report.diskId ?? 'none'}`,
    `  hard state   term ${report.hardState.term}, ${voteOf(report.hardState)}`,
    `  entries      ${entriesOf(report)}`,
    ...tableOf(report.segments),
    ...report.torn.map(tornLine),
    ...report.leftovers.map((name) => `Left over: "${name}" no longer counts. The next start deletes it.`),
    ...report.damage.flatMap(damageLines),
  ];
  return `${lines.join('\n')}\n`;
}

const verdicts: Record<LogReport['verdict'], string> = {
  empty: 'empty. A member started here begins as new.',
  sound: 'sound.',
  torn: 'sound, but for a write that was cut off before it was acknowledged.',
  damaged: 'DAMAGED. A member refuses to start here. What follows ends at the first damage.',
};

function voteOf({ votedFor }: HardState): string {
  return votedFor === null ? 'no vote' : `vote for "${votedFor}"`;
}

function entriesOf({ base, last }: LogReport): string {
  const behind = base.index === 0 ? '' : `, behind entry ${base.index} of term ${base.term}`;
  if (last.index === base.index) return `none${behind}`;
  return `${base.index + 1} to ${last.index}, the last of term ${last.term}${behind}`;
}

function tableOf(segments: readonly SegmentReport[]): string[] {
  const rows = segments.map(({ file, state, bytes, bytesUsed, before, first, last }) => [
    file,
    state,
    `${bytesUsed} of ${bytes}`,
    before === null ? '-' : String(before.index),
    first === null || last === null ? '-' : `${first.index} to ${last.index}`,
    first === null || last === null ? '-' : `${first.term} to ${last.term}`,
  ]);
  const table = [['segment', 'state', 'bytes used', 'begun behind', 'entries', 'terms'], ...rows];
  const widths =
    table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  return table.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  );
}

function tornLine({ file, offset, bytes }: TornReport): string {
  return (
    `Torn write: "${file}" at byte ${offset}, ${bytes} bytes. The process or machine died while it was under way; it ` +
    'was never acknowledged. Nothing to do: the next start clears it.'
  );
}

function damageLines({ file, offset, meaning, remedy }: DamageReport): string[] {
  return [`Damage: "${file}" at byte ${offset}: ${meaning}.`, `  What to do: ${remedy}`];
}
