import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { openRunLog } from '../../../src/runner/process/run-log.ts';
import { createRunOutput } from '../../../src/runner/process/run-output.ts';

describe('the log of a run', function () {
  // Real processes on a machine that may be busy.
  this.timeout(10_000);
  let directory = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'run-log-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const read = (logBytesMax: number, follow = false, hasEnded = async () => true) =>
    text(
      createRunOutput({
        directory,
        logBytesMax,
        follow,
        signal: new AbortController().signal,
        hasEnded,
      }),
    );

  it('is read as it was written, up to the bound, and then with both ends and the size of the hole', async () => {
    const chunks = fc.array(fc.integer({ min: 1, max: 70 }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(chunks, fc.integer({ min: 8, max: 200 }), async (sizes, logBytesMax) => {
        rmSync(directory, { recursive: true });
        directory = mkdtempSync(join(tmpdir(), 'run-log-'));
        let whole = '';
        for (const size of sizes) {
          // Reopened each time, as by a new supervisor.
          const log = openRunLog(directory, logBytesMax);
          const chunk = Array.from({ length: size }, (_, at) => 'abcdefghij'[(whole.length + at) % 10]).join(
            '',
          );
          log.write(Buffer.from(chunk));
          log.close();
          whole += chunk;
        }
        const kept = readdirSync(directory).reduce(
          (sum, name) => sum + statSync(join(directory, name)).size,
          0,
        );
        expect(kept).to.be.at.most(logBytesMax);
        const seen = await read(logBytesMax);
        if (kept === whole.length) {
          expect(seen).to.equal(whole);
          return;
        }
        const [, before = '', cut, after = ''] =
          seen.match(/^(.*)\n\[slimfaas: (\d+) bytes .*\]\n(.*)$/) ?? [];
        expect(whole.startsWith(before) && whole.endsWith(after)).to.equal(true);
        expect(before.length + Number(cut) + after.length).to.equal(whole.length);
      }),
      { numRuns: 60 },
    );
  });

  it('is followed over the ends of segments that are cut off meanwhile', async () => {
    const log = openRunLog(directory, 400);
    log.write(Buffer.from('a'.repeat(250)));
    let hasEnded = false;
    const followed = read(400, true, async () => hasEnded);
    log.write(Buffer.from('b'.repeat(1000)));
    log.write(Buffer.from('c'.repeat(60)));
    log.close();
    hasEnded = true;
    const seen = await followed;
    expect(seen).to.match(/^a{200}/);
    expect(seen).to.match(/bytes of output were cut here/);
    expect(seen).to.match(/bc{60}$/);
  });

  it('marks our own lines as ours', async () => {
    const log = openRunLog(directory, 400);
    log.note('attempt 2 of 3');
    log.close();
    expect(await read(400)).to.equal('[slimfaas: attempt 2 of 3]\n');
  });

  it('says how much it lost while it could not be written', async () => {
    const log = openRunLog(directory, 400);
    log.write(Buffer.from('x'.repeat(90)));
    rmSync(directory, { recursive: true });
    log.write(Buffer.from('x'.repeat(30)));
    log.write(Buffer.from('x'.repeat(30)));
    mkdirSync(directory);
    log.write(Buffer.from('back\n'));
    log.close();
    expect(await read(400)).to.equal(
      '\n[slimfaas: 100 bytes of output were cut here]\n\n[slimfaas: 50 bytes of output could not be written]\nback\n',
    );
  });
});
