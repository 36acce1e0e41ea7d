import { expect } from 'chai';
import { describe, it } from 'mocha';
import { createEventLog, createLog } from '../../src/log.ts';

function createLines(level: 'info' | 'warn' = 'info') {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => lines.push(JSON.parse(line)) };
  return { lines, log: createLog({ level, member: 'member-0', destination }) };
}

describe('createLog', () => {
  it('writes JSON lines with time, level, member, event and facts', () => {
    const { lines, log } = createLines();
    log.info({ port: 5000 }, 'service_opened');
    expect(lines).to.have.length(1);
    expect(lines[0]).to.include({ level: 'info', member: 'member-0', event: 'service_opened', port: 5000 });
    expect(new Date(String(lines[0]?.['time'])).toISOString()).to.equal(lines[0]?.['time']);
  });

  it('writes an error with its message and code', () => {
    const { lines, log } = createLines();
    log.error({ error: Object.assign(new Error('broken'), { code: 'E1' }) }, 'request_failed');
    expect(lines[0]?.['error']).to.include({ message: 'broken', code: 'E1' });
  });

  it('leaves out what is below its level', () => {
    const { lines, log } = createLines('warn');
    log.info({}, 'service_opened');
    expect(lines).to.deep.equal([]);
  });
});

describe('createEventLog', () => {
  it('writes an event under its own name, at a level that fits it', () => {
    const { lines, log } = createLines();
    const report = createEventLog(log);
    report({ event: 'job_accepted', jobName: 'fibonacci', jobId: 'a' });
    const failed = { work: 'run', key: 'fibonacci/a', error: new Error('broken'), retryAfterMs: 100 };
    report({ event: 'work_failed', ...failed });
    expect(lines[0]).to.include({ level: 'info', event: 'job_accepted', jobName: 'fibonacci', jobId: 'a' });
    expect(lines[1]).to.include({ level: 'warn', event: 'work_failed', retryAfterMs: 100 });
    expect(lines[1]?.['error']).to.include({ message: 'broken' });
  });
});
