#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';

/** The command line. Each command loads only what it needs, so that `--help` answers at once. */

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

function parseInteger(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`"${text}" is not an integer from ${min} to ${max}.`);
    }
    return value;
  };
}

const program = new Command('slimfaas-jobs')
  .description('One-off, batch and cron jobs over REST, kept by a Raft-replicated store.')
  .version(version)
  .showHelpAfterError('(slimfaas-jobs --help shows all commands)');

program
  .command('serve')
  .description('run one member, configured by environment variables (README.md lists them)')
  .option('--stop-with-stdin', 'stop gracefully when standard input ends: for a parent that may be killed')
  .action(async (options: { stopWithStdin?: boolean }) => {
    const { serve } = await import('./serve.ts');
    await serve({ stopWithStdin: options.stopWithStdin === true });
  });

program
  .command('local')
  .description('run a whole cluster on this machine, each member a process of its own')
  .option('--members <count>', 'number of members, 1 to 7', parseInteger(1, 7), 3)
  .option('--data <directory>', 'where all state lives', './data')
  .option('--configuration <file>', 'job definitions, as SlimFaas__JobsConfigurationFile reads them')
  .option(
    '--port <number>',
    'REST port of the first member; the next ones follow',
    parseInteger(1, 65_000),
    30_021,
  )
  .option(
    '--store-port <number>',
    'peer port of the first member; the next ones follow',
    parseInteger(1, 65_000),
    3262,
  )
  .option('--clean', 'remove the state of an earlier start first')
  .action(async (options) => {
    const { local } = await import('./local/local.ts');
    process.exitCode = await local({ ...options, clean: options.clean === true, main: import.meta.filename });
  });

program
  .command('log')
  .description("look at a member's write-ahead log")
  .command('inspect')
  .description(
    'tell what is in it and what is wrong with it; reads only, and may be run while the member runs',
  )
  .argument('<directory>', 'Raft volume of the member (SlimData__Directory)')
  .option('--json', 'print JSON instead of text')
  .action(async (directory: string, options: { json?: boolean }) => {
    const { inspectLogCommand } = await import('./commands/inspect-log.ts');
    process.exitCode = await inspectLogCommand(directory, { json: options.json === true });
  });

await program.parseAsync();
