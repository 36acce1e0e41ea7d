import { expect } from 'chai';
import { describe, it } from 'mocha';
import { parseScheduleEntry } from '../../src/model/schedule-entry.ts';
import { examples } from './examples.ts';
import { accepted, refused, sentences } from './parsed.ts';

function entryOf(keys: object) {
  return parseScheduleEntry(JSON.stringify({ Schedule: '0 0 * * *', ...keys }));
}

describe('parseScheduleEntry', () => {
  it('reads the request body of the documentation', () => {
    const entry = accepted(parseScheduleEntry(examples.scheduleRequest));
    expect(entry.schedule).to.equal('0 0 * * *');
    expect(entry.request).to.deep.include({
      args: ['42', '43'],
      dependsOn: ['fibonacci2'],
      environments: [],
    });
  });

  it('gives every absent key its default', () => {
    expect(accepted(parseScheduleEntry('{"schedule": "*/5 * * * MON"}'))).to.deep.equal({
      schedule: '*/5 * * * MON',
      timeZone: 'UTC',
      concurrencyPolicy: 'Allow',
      startingDeadlineSeconds: null,
      catchUp: 'Latest',
      catchUpLimit: 100,
      suspend: false,
      name: null,
      request: {},
    });
  });

  it('reads every key beyond the documentation', () => {
    const keys = {
      TimeZone: 'Europe/Paris',
      ConcurrencyPolicy: 'Forbid',
      StartingDeadlineSeconds: 0,
      CatchUp: 'All',
      CatchUpLimit: 5,
      Suspend: true,
      Name: 'nightly',
    };
    expect(accepted(entryOf(keys))).to.deep.include({
      timeZone: 'Europe/Paris',
      concurrencyPolicy: 'Forbid',
      startingDeadlineSeconds: 0,
      catchUp: 'All',
      catchUpLimit: 5,
      suspend: true,
      name: 'nightly',
    });
  });

  for (const Schedule of ['0 0 * * *', '0\t0  * * *', ' 0 0 * * * ', '@daily', '@HOURLY']) {
    it(`takes ${JSON.stringify(Schedule)} for an expression`, () => {
      expect(accepted(entryOf({ Schedule })).schedule).to.equal(Schedule);
    });
  }

  for (const [Schedule, message] of [
    ['', 'Schedule "" has 0 fields, not 5: minute, hour, day of month, month, day of week.'],
    ['* * *', 'Schedule "* * *" has 3 fields, not 5: minute, hour, day of month, month, day of week.'],
    [
      '0 0 0 * * *',
      'Schedule "0 0 0 * * *" has 6 fields, not 5: minute, hour, day of month, month, day of week.',
    ],
    [
      '@often',
      '"@often" is not a macro; they are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly.',
    ],
  ] as const) {
    it(`refuses ${JSON.stringify(Schedule)} as a cron expression`, () => {
      expect(refused(entryOf({ Schedule }))).to.deep.equal(['invalid_cron Schedule']);
      expect(sentences(entryOf({ Schedule }))).to.equal(message);
    });
  }

  for (const [keys, fault] of [
    [{ Schedule: null }, 'invalid_value Schedule'],
    [{ TimeZone: 'Mars/Olympus' }, 'invalid_value TimeZone'],
    [{ TimeZone: '' }, 'invalid_value TimeZone'],
    [{ CatchUp: 'Some' }, 'invalid_value CatchUp'],
    [{ CatchUpLimit: 0 }, 'invalid_value CatchUpLimit'],
    [{ Suspend: 'yes' }, 'invalid_value Suspend'],
    [{ Timezone: 'UTC', TimeZone: 'UTC' }, 'unknown_key Timezone'],
    [{ Cron: '' }, 'unknown_key Cron'],
    [{ Visibility: 'Public' }, 'unknown_key Visibility'],
    [{ BackoffLimit: -1 }, 'invalid_value BackoffLimit'],
  ] as const) {
    it(`refuses ${JSON.stringify(keys)}`, () => {
      expect(refused(entryOf(keys))).to.deep.equal([fault]);
    });
  }

  it('asks for the expression when a body is empty', () => {
    expect(sentences(parseScheduleEntry(''))).to.equal('It is missing; write a text.');
  });
});
