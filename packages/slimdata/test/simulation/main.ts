import { randomInt } from 'node:crypto';
import { simulateCommand } from './simulate-command.ts';
import { simulateSeed } from './simulate-seed.ts';

process.exitCode = simulateCommand(process.argv.slice(2), {
  print: (text) => process.stdout.write(text),
  clock: () => performance.now(),
  freshSeed: () => randomInt(2 ** 32),
  simulate: simulateSeed,
});
