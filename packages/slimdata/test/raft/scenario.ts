import type { MemberChange } from '../../src/raft/configuration.ts';
import type { Configuration, MemberName, RaftMessage } from '../../src/raft/types.ts';
import type { Case } from './case-file.ts';
import { Cluster, type Sent } from './cluster.ts';

type Command = (scenario: Scenario, testCase: Case) => string[];

/** Small numbers in a fixed sequence: election timeouts that differ, the same in every run. */
function createSequence(): () => number {
  let drawn = 0;
  return () => {
    drawn += 7;
    return (drawn % 10) / 10;
  };
}

/**
 * Plays a scenario file: each case is a command to a cluster and what is to be seen then. Commands are the keys of
 * `COMMANDS`; `members` stands for those concerned, all if left out.
 */
export class Scenario {
  cluster = new Cluster([], { random: createSequence() });

  run(testCase: Case): string[] {
    const command = COMMANDS.get(testCase.command);
    if (command === undefined) {
      throw new Error(`line ${testCase.line}: no command "${testCase.command}"`);
    }
    return command(this, testCase);
  }

  /** Lets everything happen that is due, and tells what arrived or was lost. */
  deliver(): string[] {
    const { cluster } = this;
    const lines: string[] = [];
    const { lose } = cluster;
    cluster.lose = (sent) => {
      const lost = lose(sent);
      lines.push(`${sent.from}>${sent.to} ${describe(sent)}${lost ? ' (lost)' : ''}`);
      return lost;
    };
    cluster.settle();
    cluster.lose = lose;
    return lines;
  }
}

const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  [
    'cluster',
    (scenario, testCase) => {
      scenario.cluster = new Cluster(values(testCase, 'members'), { random: createSequence() });
      scenario.cluster.join(...values(testCase, 'joining'));
      return [];
    },
  ],
  ['elect', each((cluster, name) => cluster.elect(name))],
  ['crash', each((cluster, name) => cluster.crash(name))],
  ['compact', each((cluster, name, { index }) => cluster.compact(name, index))],
  ['transfer', each((cluster, name, { to }) => void cluster.core(to).transferLeadership(name))],
  [
    'stall',
    each((cluster, name) => {
      cluster.member(name).diskStalled = true;
    }),
  ],
  [
    'unstall',
    each((cluster, name) => {
      cluster.member(name).diskStalled = false;
    }),
  ],
  [
    'propose',
    ({ cluster }, testCase) => {
      const taken = cluster.propose(one(testCase, 'member'), ...values(testCase, 'commands'));
      return [taken ? 'accepted' : 'refused'];
    },
  ],
  [
    'change',
    ({ cluster }, testCase) => {
      const changes = testCase.input.map((line) => line.split(' ') as [MemberChange['type'], MemberName]);
      return [cluster.change(one(testCase, 'member'), ...changes)];
    },
  ],
  [
    'isolate',
    ({ cluster }, testCase) => {
      cluster.isolate(...values(testCase, 'members'));
      return [];
    },
  ],
  [
    'cut',
    ({ cluster }, testCase) => {
      const links = values(testCase, 'links');
      cluster.lose = ({ from, to }) => links.includes(`${from}-${to}`) || links.includes(`${to}-${from}`);
      return [];
    },
  ],
  [
    'heal',
    ({ cluster }) => {
      cluster.heal();
      return [];
    },
  ],
  [
    'tick',
    ({ cluster }, testCase) => {
      cluster.tick(Number(one(testCase, 'count')), concerned(cluster, testCase));
      return [];
    },
  ],
  ['deliver', (scenario) => scenario.deliver()],
  [
    'settle',
    ({ cluster }) => {
      cluster.settle();
      return [];
    },
  ],
  ['status', ({ cluster }, testCase) => concerned(cluster, testCase).map((name) => status(cluster, name))],
  [
    'applied',
    ({ cluster }, testCase) =>
      concerned(cluster, testCase).map((name) => `${name}: ${cluster.commands(name).join(' ')}`.trimEnd()),
  ],
]);

function each(
  act: (cluster: Cluster, name: MemberName, args: { index?: number; to: MemberName }) => void,
): Command {
  return ({ cluster }, testCase) => {
    const [index] = values(testCase, 'index');
    const [from = ''] = values(testCase, 'from');
    for (const name of concerned(cluster, testCase)) {
      act(cluster, name, { to: from, ...(index === undefined ? {} : { index: Number(index) }) });
    }
    return [];
  };
}

function values({ args }: Case, key: string): string[] {
  return [...(args.get(key) ?? [])];
}

function one(testCase: Case, key: string): string {
  const [value] = values(testCase, key);
  if (value === undefined) {
    throw new Error(`line ${testCase.line}: "${testCase.command}" needs ${key}=`);
  }
  return value;
}

function concerned(cluster: Cluster, testCase: Case): string[] {
  const named = [...values(testCase, 'members'), ...values(testCase, 'member')];
  return named.length > 0 ? named : [...cluster.members.keys()];
}

function status(cluster: Cluster, name: MemberName): string {
  const { role, term, commitIndex, lastIndex, base, configuration } = cluster.core(name);
  return `${name}: ${role} of term ${term}, log ${base.index + 1}-${lastIndex}, commit ${commitIndex}, ${members(configuration)}`;
}

function members({ voters, outgoing, learners }: Configuration): string {
  const set = (names: ReadonlySet<string>) => `(${[...names].sort().join(' ')})`;
  const from = outgoing.size > 0 ? `${set(outgoing)}->` : '';
  return `voters ${from}${set(voters)}${learners.size > 0 ? ` learners ${set(learners)}` : ''}`;
}

function describe({ message }: Sent): string {
  return `${message.type} term ${message.term}${facts(message)}`;
}

function facts(message: RaftMessage): string {
  switch (message.type) {
    case 'AppendEntries': {
      const { prevLogIndex, prevLogTerm, entries, leaderCommit } = message;
      const added = entries.map(({ index, term }) => `${index}/${term}`).join(' ');
      return ` after ${prevLogIndex}/${prevLogTerm}: [${added}], commit ${leaderCommit}`;
    }
    case 'AppendEntriesResponse':
      return message.success
        ? ` has ${message.matchIndex}`
        : ` refuses ${message.prevLogIndex}, hint ${message.hintIndex}/${message.hintTerm}`;
    case 'PreVote':
    case 'RequestVote':
      return `, log ends at ${message.lastLogIndex}/${message.lastLogTerm}`;
    case 'PreVoteResponse':
    case 'RequestVoteResponse':
      return message.granted ? ' granted' : ' refused';
    default:
      return '';
  }
}
