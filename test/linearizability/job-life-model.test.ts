import { expect } from 'chai';
import { describe, it } from 'mocha';
import { checkHistory } from './checker.ts';
import { jobLifeModel } from './job-life-model.ts';
import { parseJobLifeCall, parseTimeline } from './timeline.ts';

const verdictOf = (drawing: string) =>
  checkHistory(jobLifeModel, parseTimeline(drawing, parseJobLifeCall)).verdict;

const good: Record<string, string> = {
  'a whole life': `
    [post] [get Queued] [get Pending] [get Running] [get Running] [get Succeeded] [delete] [get -]`,
  'a life seen now and then': '[post] [get Running] [get Failed]',
  'a job not posted yet': '[get -] [delete not_found] [post] [get Queued]',
  'looks at both sides of a move, at once': `
    [post] [get Queued     ]
             [get Running ]`,
  'a repeated post': '[post] [get Running] [post] [get Running] [get Succeeded]',
  'a post without an answer that was accepted': `
    [post ~
          [get -] [get Queued]`,
  'a post without an answer that was not': `
    [post ~
          [get -] [get -]`,
  'a deletion without an answer that came late': `
    [post] [delete ~
                   [get Running] [get Running] [get -]`,
  'a job posted again after its deletion': '[post] [delete] [get -] [post] [get Queued]',
};

const bad: Record<string, string> = {
  'an accepted job that is not there': '[post] [get -]',
  'a job that vanishes': '[post] [get Running] [get -]',
  'a job that goes back': '[post] [get Running] [get Queued]',
  'a finished job that runs again': '[post] [get Succeeded] [get Running]',
  'a job with two endings': '[post] [get Succeeded] [get Failed]',
  'a deleted job that comes back': '[post] [delete] [get Running]',
  'a deletion that forgets': '[post] [delete] [delete]',
  'a job that nobody posted': '[get Queued]',
  'a stale look': `
    [post] [get Running]
                           [get Queued]`,
  'a post without an answer that was accepted, and then not': `
    [post ~
          [get Queued] [get -]`,
  'a repeat that is taken for a new job': '[post] [get Succeeded] [post] [get Queued]',
};

describe('job life model', () => {
  for (const [name, drawing] of Object.entries(good)) {
    it(`accepts ${name}`, () => {
      expect(verdictOf(drawing)).to.equal('linearizable');
    });
  }

  for (const [name, drawing] of Object.entries(bad)) {
    it(`rejects ${name}`, () => {
      expect(verdictOf(drawing)).to.equal('not_linearizable');
    });
  }
});
