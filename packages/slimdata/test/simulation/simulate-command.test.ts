import { expect } from 'chai';
import { describe, it } from 'mocha';
import { simulateCommand } from './simulate-command.ts';
import { simulateSeed } from './simulate-seed.ts';
import type { SimulationOptions } from './simulation.ts';

/** The second fresh seed meets a core that hands committed entries out twice. */
function simulateWithMistake(options: SimulationOptions) {
  return simulateSeed(
    options.seed === 78
      ? {
          ...options,
          createMutation: () => ({
            effects: (effects) => ({ ...effects, committed: [...effects.committed, ...effects.committed] }),
          }),
        }
      : options,
  );
}

function run(...args: string[]): { status: number; output: string } {
  return runWith(simulateSeed, ...args);
}

function runWith(simulate: typeof simulateSeed, ...args: string[]): { status: number; output: string } {
  let output = '';
  let nowMs = 0;
  const status = simulateCommand(args, {
    print: (text) => {
      output += text;
    },
    clock: () => {
      nowMs += 1000;
      return nowMs;
    },
    freshSeed: () => 77,
    simulate,
  });
  return { status, output };
}

describe('simulate command', () => {
  it('explains itself', () => {
    const { output, status } = run('--help');
    expect(status).to.equal(0);
    expect(output).to.contain('--seeds N').and.to.contain('Exit status');
  });

  it('runs the seeds it is asked for and prints marks and rate', () => {
    const { output, status } = run('--seeds', '3');
    expect(status).to.equal(0);
    expect(output).to.match(/^first seed 77\n/);
    expect(output)
      .to.contain('log truncated')
      .and.to.match(/seeds 3 \(\d+ per minute\), events \d+/);
  });

  it('stops when the minutes are over', () => {
    const { output } = run('--minutes', '0.05', '--verbose');
    expect(output).to.contain('nothing found: seeds 2 ').and.to.contain('seed 77: events');
  });

  it('replays one seed, with its trace when asked', () => {
    const quiet = run('--seed', '5');
    const verbose = run('--seed', '5', '--verbose');
    expect(quiet.output).to.match(/^seed 5: nothing found; events \d+, .* trace hash \d+\n$/);
    expect(verbose.output).to.contain('becomes leader').and.to.contain(quiet.output);
  });

  it('ends at the first failure with status 1, the trace and the command that replays it', () => {
    const { output, status } = runWith(simulateWithMistake, '--seeds', '5');
    expect(status).to.equal(1);
    expect(output).to.match(/seed 78 fails at event \d+: applied in order: m\d applied 1 after 1/);
    expect(output).to.match(/#\d+ t=\d+ m\d /);
    expect(output).to.match(/Replay: npm run simulate -- --seed 78\n$/);
    expect(runWith(simulateWithMistake, '--seed', '78').status).to.equal(1);
  });

  it('refuses what it does not understand, with status 2', () => {
    for (const args of [['--seeds', 'many'], ['--seed', ''], ['--minutes', '-1'], ['--fast']]) {
      const { output, status } = run(...args);
      expect([args, status]).to.deep.equal([args, 2]);
      expect(output).to.contain('npm run simulate');
    }
  });
});
