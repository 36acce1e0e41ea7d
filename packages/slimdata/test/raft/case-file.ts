import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** One case of a data file: a command with arguments and input lines, and what it must print. */
export interface Case {
  /** Where it stands, for the title of its test. */
  readonly line: number;
  readonly command: string;
  readonly args: ReadonlyMap<string, readonly string[]>;
  readonly input: readonly string[];
  readonly expected: readonly string[];
}

/** The data stays in the source tree; tests run from `dist/test/raft`. */
const CASES = resolve(import.meta.dirname, '../../../test/raft/cases');

/** Names of the case files of a folder, e.g. `quorum`. */
export function caseFiles(folder: string): string[] {
  return readdirSync(resolve(CASES, folder))
    .filter((name) => name.endsWith('.txt'))
    .sort();
}

/** All cases of one file, in order. */
export function parseCases(folder: string, name: string): Case[] {
  const lines = readFileSync(resolve(CASES, folder, name), 'utf8').split('\n');
  const cases: Case[] = [];
  let at = 0;
  const takeWhile = (accept: (line: string) => boolean) => {
    const taken: string[] = [];
    for (let line = lines[at]; line !== undefined && accept(line); line = lines[at]) {
      taken.push(line);
      at += 1;
    }
    return taken;
  };
  const isBlank = (line: string) => line.trim() === '' || line.startsWith('#');
  for (takeWhile(isBlank); at < lines.length; takeWhile(isBlank)) {
    const line = at + 1;
    const [head = '', ...input] = takeWhile((text) => text !== '----').filter((text) => !isBlank(text));
    at += 1;
    const expected = takeWhile((text) => text !== '');
    cases.push({ line, ...parseCommand(head), input, expected });
  }
  return cases;
}

function parseCommand(text: string): Pick<Case, 'command' | 'args'> {
  const args = new Map<string, readonly string[]>();
  for (const [, key = '', list, value] of text.matchAll(/(\w+)=(?:\(([^)]*)\)|(\S+))/g)) {
    const values = (list ?? value ?? '').split(',').map((item) => item.trim());
    args.set(
      key,
      values.filter((item) => item !== ''),
    );
  }
  return { command: text.split(' ')[0] ?? '', args };
}
