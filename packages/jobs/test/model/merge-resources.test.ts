import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { JobDefinition } from '../../src/model/job.ts';
import type { JobRequest } from '../../src/model/job-request.ts';
import { definitionOf, parseJobsConfiguration } from '../../src/model/jobs-configuration.ts';
import { type MergeOptions, mergeRequest } from '../../src/model/merge-request.ts';
import { isAbove } from '../../src/model/resources.ts';
import { resourceList } from './arbitraries.ts';
import { accepted, refused, sentences } from './parsed.ts';

const external: MergeOptions = { caller: 'external' };
const internal: MergeOptions = { caller: 'internal' };

function definition(keys: object): JobDefinition {
  const configuration = parseJobsConfiguration(JSON.stringify({ Configurations: { fibonacci: keys } }));
  return definitionOf(accepted(configuration), 'fibonacci');
}

describe('mergeResources', () => {
  const capped = {
    Resources: { Requests: { cpu: '200m' }, Limits: { cpu: '1', memory: '1Gi', 'nvidia.com/gpu': '1' } },
  };
  const resourceRows: readonly [string, JobRequest['resources'], readonly string[]][] = [
    ['less than the limit', { limits: { cpu: '500m' } }, []],
    ['exactly the limit in another writing', { limits: { cpu: '1000m', memory: '1024Mi' } }, []],
    ['a request up to the limit', { requests: { cpu: '1' } }, []],
    ['a limit above', { limits: { cpu: '1001m' } }, ['resources_exceed_limits Resources.Limits.cpu']],
    ['a request above', { requests: { cpu: '2' } }, ['resources_exceed_limits Resources.Requests.cpu']],
    [
      '400Gi where the cap is in Gi',
      { limits: { memory: '400Gi' } },
      ['resources_exceed_limits Resources.Limits.memory'],
    ],
    [
      'bytes without suffix',
      { limits: { memory: '1073741825' } },
      ['resources_exceed_limits Resources.Limits.memory'],
    ],
    ['a gpu within', { limits: { 'nvidia.com/gpu': '1' } }, []],
    [
      'two gpus',
      { limits: { 'nvidia.com/gpu': '2' } },
      ['resources_exceed_limits Resources.Limits["nvidia.com/gpu"]'],
    ],
    [
      'what is not configured',
      { limits: { 'ephemeral-storage': '1Gi' } },
      ['resources_exceed_limits Resources.Limits.ephemeral-storage'],
    ],
    ['nothing of what is not configured', { limits: { 'ephemeral-storage': '0' } }, []],
    [
      'a request above the asked limit',
      { requests: { cpu: '600m' }, limits: { cpu: '500m' } },
      ['resources_exceed_limits Resources.Requests.cpu'],
    ],
    [
      'a limit below the configured request',
      { limits: { cpu: '100m' } },
      ['resources_exceed_limits Resources.Requests.cpu'],
    ],
    [
      'both above, each once',
      { requests: { cpu: '3' }, limits: { cpu: '2' } },
      ['resources_exceed_limits Resources.Requests.cpu', 'resources_exceed_limits Resources.Limits.cpu'],
    ],
    [
      'a key that objects inherit',
      { limits: { constructor: '1' } },
      ['resources_exceed_limits Resources.Limits.constructor'],
    ],
  ];
  for (const [what, resources, refusals] of resourceRows) {
    it(`${refusals.length === 0 ? 'admits' : 'refuses'} ${what}`, () => {
      const merged = mergeRequest(definition(capped), resources === undefined ? {} : { resources }, internal);
      if (refusals.length > 0) expect(refused(merged)).to.deep.equal(refusals);
      else expect(accepted(merged).resources.limits).to.include(resources?.limits ?? {});
    });
  }

  it('takes the configured request for the cap where no limit is configured', () => {
    const job = definition({ Resources: { Requests: { 'ephemeral-storage': '1Gi' } } });
    const ask = (quantity: string): JobRequest => ({
      resources: { limits: { 'ephemeral-storage': quantity } },
    });
    expect(accepted(mergeRequest(job, ask('1024Mi'), internal)).resources.limits).to.include({
      'ephemeral-storage': '1024Mi',
    });
    expect(refused(mergeRequest(job, ask('1025Mi'), internal))).to.deep.equal([
      'resources_exceed_limits Resources.Limits.ephemeral-storage',
    ]);
  });

  it('names the asked and the allowed quantity', () => {
    const resources = { requests: { cpu: '600m' }, limits: { memory: '2Gi', gpu: '1', cpu: '500m' } };
    expect(sentences(mergeRequest(definition(capped), { resources }, external)).split('\n')).to.deep.equal([
      '"2Gi" of memory is asked for; at most "1Gi" is allowed.',
      '"1" of gpu is asked for; none is allowed.',
      'The asked request of "600m" cpu is above its limit of "500m"; ask for less.',
    ]);
  });

  it('never gives more than the caps, nor a request above its limit, whatever is asked', () => {
    fc.assert(
      fc.property(
        resourceList,
        fc.option(resourceList),
        fc.option(resourceList),
        (configured, requests, limits) => {
          const job = definition({ Resources: { Limits: configured } });
          const resources = { ...(requests && { requests }), ...(limits && { limits }) };
          const merged = mergeRequest(job, { resources }, external);
          if (!merged.ok) return;
          const result = merged.value.resources;
          for (const [name, quantity] of [
            ...Object.entries(result.requests),
            ...Object.entries(result.limits),
          ]) {
            const cap = job.resources.limits[name] ?? '0';
            expect(isAbove(quantity, cap), `${name}: ${quantity} of ${cap}`).to.equal(false);
          }
          for (const [name, quantity] of Object.entries(result.requests)) {
            expect(isAbove(quantity, result.limits[name] ?? quantity)).to.equal(false);
          }
        },
      ),
    );
  });

  it('gives exactly what is asked, or refuses: nothing is lowered in silence', () => {
    fc.assert(
      fc.property(resourceList, resourceList, (configured, limits) => {
        const job = definition({ Resources: { Limits: configured } });
        const merged = mergeRequest(job, { resources: { limits } }, external);
        if (merged.ok) expect(merged.value.resources.limits).to.include(limits);
        const isAsked = ([name, quantity]: [string, string]) =>
          isAbove(quantity, job.resources.limits[name] ?? '0');
        if (Object.entries(limits).some(isAsked)) expect(merged.ok).to.equal(false);
      }),
    );
  });
});
