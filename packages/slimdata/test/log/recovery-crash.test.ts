import { expect } from 'chai';
import * as fc from 'fast-check';
import { describe, it } from 'mocha';
import { LogError } from '../../src/log/log-error.ts';
import { buildHistory, findState, type History, openTestLog, steps } from './log-history.ts';
import { MemoryFileSystem, type Survival } from './memory-file-system.ts';

const blockBytes = 512;

/** Small, seeded, good enough to choose which sectors survive (mulberry32). */
function createRandom(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

/** One run of a process: opens, appends from `done` on, and dies at call `crashAt`. Returns how much was acknowledged. */
async function runUntilCrash(
  fileSystem: MemoryFileSystem,
  history: History,
  acknowledged: number,
  crashAt: number,
  capacityBytes = Number.POSITIVE_INFINITY,
): Promise<number> {
  fileSystem.calls.length = 0;
  fileSystem.capacityBytes = capacityBytes;
  fileSystem.crashAtCall = crashAt;
  let done = acknowledged;
  try {
    const { log, recovered } = await openTestLog({ fileSystem });
    const found = findState(history, recovered, acknowledged);
    expect(found, 'acknowledged batches that are gone').to.be.at.least(acknowledged);
    // What was found counts from now on: the core may answer for it without writing it again.
    done = found;
    for (const batch of history.batches.slice(found)) {
      log.append(batch, () => {
        done += 1;
        log.removeBefore(history.removals[done] ?? 0);
      });
    }
    await log.close();
  } catch (error) {
    if (!(error instanceof LogError) || !['io', 'disk_full'].includes(error.code)) throw error;
  }
  return done;
}

describe('recovery from a crash at any call', function () {
  this.timeout(60_000);

  it('opens, and misses nothing that was acknowledged and still needed, again and again', async () => {
    const crash = fc.record({
      at: fc.nat({ max: 90 }),
      seed: fc.nat(),
      isKill: fc.boolean(),
      capacityBytes: fc.option(fc.integer({ min: 2048, max: 20_000 }), { nil: Number.POSITIVE_INFINITY }),
    });
    const crashes = fc.array(crash, { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        steps({ entryBytesMax: 900, batchesMax: 16, isCompacted: true }),
        crashes,
        fc.boolean(),
        async (list, points, tears) => {
          const fileSystem = new MemoryFileSystem();
          const history = buildHistory(list);
          let acknowledged = 0;
          for (const { at, seed, isKill, capacityBytes } of points) {
            acknowledged = await runUntilCrash(fileSystem, history, acknowledged, at, capacityBytes);
            const random = createRandom(seed);
            const choose = (): Survival => {
              const draw = random(tears ? 3 : 2);
              if (draw === 2) return random(blockBytes);
              return draw === 0 ? 'none' : 'whole';
            };
            if (isKill) fileSystem.kill();
            else fileSystem.crash(choose, () => random(2) === 0);
          }
          const end = await runUntilCrash(fileSystem, history, acknowledged, Number.POSITIVE_INFINITY);
          expect(end).to.equal(history.batches.length);
        },
      ),
      { numRuns: 600 },
    );
  });
});
